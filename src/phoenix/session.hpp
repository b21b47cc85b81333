// The session of Plug.Session.COOKIE: a map with the keys of phx.gen.auth.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sigra::phoenix {

// The keys that depend on the names of the schema: user_token, user_return_to
// and user_remember_me for "user", and the topic users_sessions: for "users".
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

// A decoded session. Unknown keys and values keep their bytes from decode() to
// encode(). Views that it returns are valid until the next put, erase or
// assignment.
class Session {
  public:
    Session() = default;

    // `payload`: from a Sealer. Returns nullopt if it is not a well-formed map.
    // Values may have any type.
    [[nodiscard]] static std::optional<Session> decode(
        std::string_view payload);
    // The map in external term format, with the version byte.
    [[nodiscard]] std::string encode() const;

    [[nodiscard]] bool empty() const;
    // True if the key exists and its value is true for Elixir: neither nil nor
    // false.
    [[nodiscard]] bool truthy(std::string_view key) const;
    // The value of a key, if it is a binary.
    [[nodiscard]] std::optional<std::string_view> binary(
        std::string_view key) const;

    void put(std::string_view key, std::string_view binary);
    void put_true(std::string_view key);
    void put_integer(std::string_view key, std::int64_t value);
    void erase(std::string_view key);
    void clear();

    // The flash is a map inside the session. A flash that is not a map counts
    // as none, and put_flash() replaces it.
    [[nodiscard]] std::optional<std::string_view> flash(
        std::string_view name) const;
    void put_flash(std::string_view name, std::string_view text);
    void erase_flash(std::string_view name);  // also removes an empty flash
    void clear_flash();

  private:
    // An encoded key or value in storage_, to which bytes are only appended.
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

// The token of a session.
struct SessionToken {
    enum class State {
        absent,   // no key, nil or false: the remember-me cookie is read
        invalid,  // the value does not have the form of a token
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

// The 32 raw bytes; nullopt if `text` is not a token of this form.
[[nodiscard]] std::optional<std::string> token_from_cookie(
    std::string_view text, TokenForm form);
// The text for 32 raw bytes in cookies.
[[nodiscard]] std::string token_to_cookie(std::string_view raw, TokenForm form);

// Puts the token and live_socket_id into the session.
void put_token(Session& session, const SessionKeys& keys, TokenForm form,
               std::string_view raw);

}  // namespace sigra::phoenix
