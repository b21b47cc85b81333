// The page with the login form, whose fields are Phoenix's own.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "phoenix/messages.hpp"

namespace sigra::phoenix {

// For HTML's text and quoted attributes: & < > " ' become references; control
// characters, which HTML has no place for, are dropped.
[[nodiscard]] std::string escape_html(std::string_view text);

// A page that only says something, and looks as the login page does. `head`:
// elements of its own there.
[[nodiscard]] std::string render_notice(const Messages& texts,
                                        std::string_view title,
                                        std::string_view text,
                                        std::string_view head = "");

// As they are, not escaped; empty: nothing to show.
struct LoginPage {
    std::string_view csrf_token;  // masked
    std::string_view flash_info;
    std::string_view flash_error;
    // Kept from a refused login; or with `confirm`, who is logged in.
    std::string_view email;
    std::string_view return_to;          // carried in the forms
    std::string_view singular = "user";  // of the fields' names
    bool remember_me = true;             // offer it
    // A logged-in user is asked for the password again: the email is not to
    // be edited, and what is remembered stays as it is.
    bool confirm = false;
    // A second form that sends the email alone: an application's magic link.
    bool link = false;
    std::string_view title;  // the site's name
    std::string_view logo;   // URLs, as the next two
    std::string_view reset;
    std::string_view registration;
    const Messages* texts = &english();
};

// UTF-8, text/html. Posts to its own URL.
[[nodiscard]] std::string render_login_page(const LoginPage& page);

// Its Content-Security-Policy, and without targets a notice's. Chromium asks
// form-action of a redirect after the post too: what a login can be answered
// with beside local paths (signed_in_url, the second factor's page, return_to)
// stands in `targets`, whole URLs and local paths alike. `logo`: the page's, or
// empty.
[[nodiscard]] std::string login_page_policy(
    const std::vector<std::string_view>& targets, std::string_view logo = "");

}  // namespace sigra::phoenix
