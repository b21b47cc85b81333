// The session map of Plug.Session.COOKIE with phx.gen.auth's keys.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sigra::phoenix {

// The keys that depend on the schema's names: "user" gives user_token,
// user_return_to and user_remember_me, "users" the topic users_sessions:.
struct SessionKeys {
    SessionKeys(std::string_view singular, std::string_view plural);

    std::string token;
    std::string return_to;
    std::string remember_me;
    std::string topic;  // with the colon
};

inline constexpr std::string_view csrf_key = "_csrf_token";
inline constexpr std::string_view live_socket_key = "live_socket_id";
inline constexpr std::string_view flash_key = "phoenix_flash";
inline constexpr std::string_view sudo_key = "auth_sigra_sudo";

// A session in hand. Keys that nobody here knows keep their bytes from decode
// to encode. Owns its bytes; what it hands out is a view that lives until the
// next put, erase or assignment.
class Session {
  public:
    Session() = default;

    // `payload`: what a Sealer opened; nullopt when it is not a well-formed
    // map. Values of any type are kept.
    [[nodiscard]] static std::optional<Session> decode(
        std::string_view payload);
    // With its version byte.
    [[nodiscard]] std::string encode() const;

    [[nodiscard]] bool empty() const;
    // Is the key there with a value that Elixir holds for true: neither nil
    // nor false.
    [[nodiscard]] bool truthy(std::string_view key) const;
    [[nodiscard]] std::optional<std::string_view> binary(
        std::string_view key) const;

    void put(std::string_view key, std::string_view binary);
    void put_true(std::string_view key);
    void put_integer(std::string_view key, std::int64_t value);
    void erase(std::string_view key);
    void clear();

    // The flash is a map inside the map; a flash that is no map counts as
    // none and is replaced by put_flash.
    [[nodiscard]] std::optional<std::string_view> flash(
        std::string_view name) const;
    void put_flash(std::string_view name, std::string_view text);
    void erase_flash(std::string_view name);  // the last one takes the map
    void clear_flash();

  private:
    // Parts of storage_, which only grows: keys and values, encoded.
    struct Slice {
        std::uint32_t offset, length;
    };
    struct Entry {
        Slice key, value;
    };

    [[nodiscard]] std::string_view view(Slice slice) const;
    // The encoded value of a binary key.
    [[nodiscard]] std::optional<std::string_view> value(
        std::string_view key) const;
    [[nodiscard]] Slice store(std::string_view bytes);
    void put_encoded(std::string_view key, const std::string& value);

    std::string storage_;
    std::vector<Entry> entries_;
};

// What a session says of its token.
struct SessionToken {
    enum class State {
        absent,   // no key, nil or false: the remember-me cookie may speak
        invalid,  // there, but of no form that a token has
        present,
    };
    State state = State::absent;
    std::string bytes;  // the raw 32 bytes
};

enum class TokenForm {
    raw,   // 32 bytes as they are
    text,  // base64url of them, 43 characters (sigra_sessions)
};

[[nodiscard]] SessionToken session_token(const Session& session,
                                         const SessionKeys& keys,
                                         TokenForm form);

// nullopt: `text` is no token of this form.
[[nodiscard]] std::optional<std::string> token_from_cookie(
    std::string_view text, TokenForm form);
// What the cookies carry for 32 raw bytes.
[[nodiscard]] std::string token_to_cookie(std::string_view raw, TokenForm form);

// Puts the token and live_socket_id in.
void put_token(Session& session, const SessionKeys& keys, TokenForm form,
               std::string_view raw);

}  // namespace sigra::phoenix
