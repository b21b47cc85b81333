// The page with the login form. Its fields have the names that Phoenix uses.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "phoenix/messages.hpp"

namespace sigra::phoenix {

// Escapes text for HTML text and quoted attributes: & < > " ' become character
// references. Control characters, which HTML does not allow, are dropped.
[[nodiscard]] std::string escape_html(std::string_view text);

// A page with a title and a text, in the style of the login page. `head`: HTML
// elements to add to its head.
[[nodiscard]] std::string render_notice(const Messages& texts,
                                        std::string_view title,
                                        std::string_view text,
                                        std::string_view head = "");

// The values are not escaped yet. An empty one is not shown.
struct LoginPage {
    std::string_view csrf_token;  // masked
    std::string_view flash_info;
    std::string_view flash_error;
    // From a refused login or, with `confirm`, of the logged-in user.
    std::string_view email;
    std::string_view return_to;          // a hidden field of the forms
    std::string_view singular = "user";  // in the names of the fields
    bool remember_me = true;             // show the checkbox
    // Asks a logged-in user for the password again: the email cannot be edited,
    // and there is no checkbox.
    bool confirm = false;
    // Adds a second form with only the email, for an application's magic link.
    bool link = false;
    std::string_view title;  // the site's name
    std::string_view logo;   // URLs, as the next two
    std::string_view reset;
    std::string_view registration;
    const Messages* texts = &english();
};

// The page as HTML in UTF-8. Its forms post to its own URL.
[[nodiscard]] std::string render_login_page(const LoginPage& page);

// The Content-Security-Policy of the page; without targets, of a notice.
// Chromium checks form-action also for a redirect that follows the post. So
// `targets` has all URLs that a login may redirect to (signed_in_url, the page
// of the second factor, return_to); local paths among them are ignored. `logo`:
// the page's logo, or empty.
[[nodiscard]] std::string login_page_policy(
    const std::vector<std::string_view>& targets, std::string_view logo = "");

}  // namespace sigra::phoenix
