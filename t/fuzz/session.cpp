// Decoding and encoding a session gives the same bytes, and putting a key into
// it does not change its other keys.
#include "phoenix/session.hpp"

#include <string>
#include <string_view>

#include "fuzz.hpp"
#include "phoenix/term.hpp"

namespace {

using namespace sigra::phoenix;
using sigra::fuzz::require;

Session again(const Session& session) {
    const auto encoded = session.encode();
    auto decoded = Session::decode(encoded);
    require(decoded.has_value(), "what is encoded decodes");
    require(decoded->encode() == encoded, "and encodes to the same");
    return *std::move(decoded);
}

void put_a_token(Session session, TokenForm form, std::string_view payload) {
    const SessionKeys keys("user", "users");
    (void)session_token(session, keys, form);
    std::string raw(payload.substr(0, 32));
    raw.resize(32, 't');
    put_token(session, keys, form, raw);
    const auto token = session_token(again(session), keys, form);
    require(token.state == SessionToken::State::present && token.bytes == raw,
            "the token that was put");
    require(session.binary(live_socket_key).has_value(), "and its topic");
    require(!session_token(Session(), keys, form).bytes.size(), "none");
}

void put_a_flash(Session session, std::string_view text) {
    session.put_flash("info", text);
    session.put_flash("error", "no");
    require(again(session).flash("info") == text, "the flash that was put");
    session.erase_flash("error");
    require(!session.flash("error") && session.flash("info") == text,
            "one flash erased");
    session.clear_flash();
    require(!again(session).flash("info"), "all flashes gone");
}

// Adding a key and removing it again gives the same bytes.
void come_and_go(Session session, const std::string& payload) {
    constexpr std::string_view key = "a key that is not there";
    if (session.truthy(key))
        return;
    const bool is_there = session.binary(key).has_value();
    session.put(key, payload);
    require(again(session).binary(key) == payload, "the value that was put");
    session.put_true(key);
    require(session.truthy(key) && !again(session).binary(key), "true");
    session.put_integer(key, static_cast<std::int64_t>(payload.size()) << 24);
    session.erase(key);
    require(is_there || session.encode() == payload, "as it was");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
    const std::string payload(sigra::fuzz::text_of(data, size));
    const auto session = Session::decode(payload);
    const auto root = term::checked(payload);
    require(session.has_value() == (root && term::as_map(*root)),
            "a session is a map");
    if (!session)
        return sigra::fuzz::accepted;
    require(session->encode() == payload, "from decode to encode");
    require(session->empty() == term::as_map(*root)->empty(), "empty");
    (void)again(*session);
    put_a_token(*session, TokenForm::raw, payload);
    put_a_token(*session, TokenForm::text, payload);
    put_a_flash(*session, payload);
    come_and_go(*session, payload);
    return sigra::fuzz::accepted;
}
