#include "phoenix/session.hpp"

#include <algorithm>
#include <limits>

#include "phoenix/encoding.hpp"
#include "phoenix/term.hpp"

namespace sigra::phoenix {
namespace {

constexpr std::size_t token_size = 32;

using Pairs = std::vector<std::pair<std::string_view, std::string_view>>;

bool is_key(std::string_view term, std::string_view name) {
    const auto binary = term::as_binary(term);
    return binary && *binary == name;
}

auto find_pair(Pairs& pairs, std::string_view name) {
    return std::ranges::find_if(
        pairs, [&](const auto& pair) { return is_key(pair.first, name); });
}

std::string encoded_binary(std::string_view bytes) {
    std::string out;
    term::write_binary(out, bytes);
    return out;
}

std::string encoded_map(const Pairs& pairs) {
    std::string out;
    term::write_map_header(out, static_cast<std::uint32_t>(pairs.size()));
    for (const auto& [key, value] : pairs) {
        out += key;
        out += value;
    }
    return out;
}

}  // namespace

SessionKeys::SessionKeys(std::string_view singular, std::string_view plural)
    : token(std::string(singular) + "_token"),
      return_to(std::string(singular) + "_return_to"),
      remember_me(std::string(singular) + "_remember_me"),
      topic(std::string(plural) + "_sessions:") {}

std::optional<Session> Session::decode(std::string_view payload) {
    if (payload.size() > std::numeric_limits<std::uint32_t>::max())
        return std::nullopt;
    const auto root = term::checked(payload);
    const auto pairs = root ? term::as_map(*root) : std::nullopt;
    if (!pairs)
        return std::nullopt;
    Session session;
    session.storage_ = *root;
    session.entries_.reserve(pairs->size());
    const auto slice_of = [&](std::string_view part) {
        return Slice{static_cast<std::uint32_t>(part.data() - root->data()),
                     static_cast<std::uint32_t>(part.size())};
    };
    for (const auto& [key, value] : *pairs)
        session.entries_.push_back({slice_of(key), slice_of(value)});
    return session;
}

std::string Session::encode() const {
    std::string out;
    term::write_version(out);
    term::write_map_header(out, static_cast<std::uint32_t>(entries_.size()));
    for (const auto& entry : entries_) {
        out += view(entry.key);
        out += view(entry.value);
    }
    return out;
}

bool Session::empty() const {
    return entries_.empty();
}

std::string_view Session::view(Slice slice) const {
    return std::string_view(storage_).substr(slice.offset, slice.length);
}

std::optional<std::string_view> Session::value(std::string_view key) const {
    for (const auto& entry : entries_)
        if (is_key(view(entry.key), key))
            return view(entry.value);
    return std::nullopt;
}

Session::Slice Session::store(std::string_view bytes) {
    const Slice slice{static_cast<std::uint32_t>(storage_.size()),
                      static_cast<std::uint32_t>(bytes.size())};
    storage_ += bytes;
    return slice;
}

void Session::put_encoded(std::string_view key, const std::string& value) {
    const auto entry = std::ranges::find_if(
        entries_, [&](const Entry& e) { return is_key(view(e.key), key); });
    if (entry != entries_.end()) {
        entry->value = store(value);
        return;
    }
    const auto key_slice = store(encoded_binary(key));
    entries_.push_back({key_slice, store(value)});
}

bool Session::truthy(std::string_view key) const {
    const auto found = value(key);
    if (!found)
        return false;
    const auto atom = term::as_atom(*found);
    return !atom || (*atom != "nil" && *atom != "false");
}

std::optional<std::string_view> Session::binary(std::string_view key) const {
    const auto found = value(key);
    return found ? term::as_binary(*found) : std::nullopt;
}

void Session::put(std::string_view key, std::string_view binary) {
    put_encoded(key, encoded_binary(binary));
}

void Session::put_true(std::string_view key) {
    std::string value;
    term::write_atom(value, "true");
    put_encoded(key, value);
}

void Session::put_integer(std::string_view key, std::int64_t number) {
    std::string value;
    term::write_integer(value, number);
    put_encoded(key, value);
}

void Session::erase(std::string_view key) {
    std::erase_if(entries_, [&](const Entry& entry) {
        return is_key(view(entry.key), key);
    });
}

void Session::clear() {
    entries_.clear();
    storage_.clear();
}

std::optional<std::string_view> Session::flash(std::string_view name) const {
    const auto found = value(flash_key);
    auto pairs = found ? term::as_map(*found) : std::nullopt;
    if (!pairs)
        return std::nullopt;
    const auto pair = find_pair(*pairs, name);
    return pair == pairs->end() ? std::nullopt : term::as_binary(pair->second);
}

void Session::put_flash(std::string_view name, std::string_view text) {
    const auto found = value(flash_key);
    auto pairs =
        (found ? term::as_map(*found) : std::nullopt).value_or(Pairs());
    const auto key = encoded_binary(name);
    const auto text_term = encoded_binary(text);
    if (const auto pair = find_pair(pairs, name); pair != pairs.end())
        pair->second = text_term;
    else
        pairs.emplace_back(key, text_term);
    put_encoded(flash_key, encoded_map(pairs));
}

void Session::erase_flash(std::string_view name) {
    const auto found = value(flash_key);
    auto pairs = found ? term::as_map(*found) : std::nullopt;
    if (!pairs)
        return;
    const auto pair = find_pair(*pairs, name);
    if (pair == pairs->end())
        return;
    pairs->erase(pair);
    if (pairs->empty())
        clear_flash();
    else
        put_encoded(flash_key, encoded_map(*pairs));
}

void Session::clear_flash() {
    erase(flash_key);
}

std::optional<std::string> token_from_cookie(std::string_view text,
                                             TokenForm form) {
    auto raw =
        form == TokenForm::raw ? std::string(text) : base64url_decode(text);
    if (!raw || raw->size() != token_size)
        return std::nullopt;
    return raw;
}

std::string token_to_cookie(std::string_view raw, TokenForm form) {
    return form == TokenForm::raw ? std::string(raw) : base64url_encode(raw);
}

SessionToken session_token(const Session& session, const SessionKeys& keys,
                           TokenForm form) {
    if (!session.truthy(keys.token))
        return {SessionToken::State::absent, {}};
    const auto text = session.binary(keys.token);
    auto raw = text ? token_from_cookie(*text, form) : std::nullopt;
    if (!raw)
        return {SessionToken::State::invalid, {}};
    return {SessionToken::State::present, *std::move(raw)};
}

void put_token(Session& session, const SessionKeys& keys, TokenForm form,
               std::string_view raw) {
    const auto token = token_to_cookie(raw, form);
    session.put(keys.token, token);
    session.put(live_socket_key, keys.topic + base64url_encode_padded(token));
}

}  // namespace sigra::phoenix
