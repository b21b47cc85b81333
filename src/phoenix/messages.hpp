// The texts of the login page and of flash messages, in a choice of languages.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace sigra::phoenix {

// The defaults are English. The names of the members are the keys of a file.
struct Messages {
    std::string lang = "en";  // for the attributes of <html>
    std::string dir = "ltr";

    std::string log_in = "Log in";
    std::string email = "Email";
    std::string password = "Password";
    std::string remember_me = "Keep me logged in";
    std::string confirm_title = "Confirm your password";
    std::string confirm_hint =
        "You are logged in. To go on, enter your password once more.";
    std::string confirm = "Confirm";
    std::string or_else = "or";
    std::string email_link = "Email me a link";
    std::string forgot_password = "Forgot your password?";
    std::string register_account = "Register";

    std::string must_log_in = "You must log in to access this page.";
    std::string may_not = "You are not allowed to access this page.";
    std::string invalid = "Invalid email or password";
    std::string welcome_back = "Welcome back!";
    std::string try_again = "The page was out of date. Please try again.";
    std::string logged_out = "Logged out successfully.";
    std::string logged_out_everywhere = "Logged out of all devices.";
    std::string still_logged_in_title = "Still logged in";
    std::string still_logged_in =
        "You are still logged in: the log-out could not be carried out. "
        "Please try again in a moment.";
};

[[nodiscard]] const Messages& english();

// The longest text, in bytes. There is a limit because some texts are stored in
// a cookie.
inline constexpr std::size_t max_message = 512;

struct MessagesFile {
    Messages messages;
    std::vector<std::string> missing;  // keys whose texts remain English
};

struct MessagesError {
    std::size_t line = 1;
    std::string problem;
};

// Reads a file: a JSON object of strings. `dir` may be left out.
[[nodiscard]] std::variant<MessagesFile, MessagesError> read_messages(
    std::string_view json, std::string_view lang);

// True for a language tag as in HTML and Accept-Language: `de`, `pt-BR`.
[[nodiscard]] bool is_language(std::string_view tag);

// Chooses a language by an Accept-Language header. Its ranges are tried in the
// order of their quality. A range matches a language with the same tag, then
// one whose tag begins with it (`pt` matches `pt-BR`); if there is none, the
// last part of the range is removed (`de-AT` becomes `de`). English if none
// matches.
[[nodiscard]] const Messages& choose_messages(
    std::string_view accept_language, std::span<const Messages> offered);

}  // namespace sigra::phoenix
