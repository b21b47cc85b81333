// The texts of the login page and of the flashes, in one language or another.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace sigra::phoenix {

// English as it stands here. The members' names are the keys of a file.
struct Messages {
    std::string lang = "en";  // of HTML's attributes
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

// A text's longest form, in bytes: some are carried in a cookie.
inline constexpr std::size_t max_message = 512;

struct MessagesFile {
    Messages messages;
    std::vector<std::string> missing;  // these texts are English
};

struct MessagesError {
    std::size_t line = 1;
    std::string problem;
};

// A file's JSON: one object of texts. `dir` may be left out.
[[nodiscard]] std::variant<MessagesFile, MessagesError> read_messages(
    std::string_view json, std::string_view lang);

// A language's tag as HTML and Accept-Language have it: `de`, `pt-BR`.
[[nodiscard]] bool is_language(std::string_view tag);

// By an Accept-Language header: the first of its ranges, by their quality,
// that a language fits: `pt-BR` by itself, `pt` by its beginning, and `de-AT`
// falls back to `de`. English where none fits.
[[nodiscard]] const Messages& choose_messages(
    std::string_view accept_language, std::span<const Messages> offered);

}  // namespace sigra::phoenix
