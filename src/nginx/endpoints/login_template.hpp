// The login page as the administrator wants it: a file with nginx's variables
// in it, an application's page, or the built-in one with a name and links.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "nginx/ngx.hpp"
#include "phoenix/login_page.hpp"

namespace sigra::nginx {

struct LoginTemplate {
    enum class Kind {
        literal,
        variable,
        // Those of this very answer, which its variables do not show: they
        // are of the session that the client sent.
        csrf_token,
        flash_info,
        flash_error,
        flash_email,
    };
    struct Part {
        Kind kind;
        std::string text;     // of a literal
        ngx_int_t index = 0;  // of a variable
    };
    std::vector<Part> parts;  // of a file; none: the built-in page
    std::string location;     // who answers a GET instead, or empty
    // What the built-in page shows; empty: nothing.
    std::string title, logo, reset, registration;
};

// `$name` and `${name}` are variables; any other `$` is a dollar sign, before
// a digit too. Lives in the configuration's pool; null: `error` says why. A
// variable that nobody defines is an error once all is read. `file`: what the
// messages call it.
[[nodiscard]] LoginTemplate* parse_template(ngx_conf_t* cf,
                                            std::string_view text,
                                            std::string_view file,
                                            std::string& error);

// Each value is HTML-escaped. A template's answer carries no
// Content-Security-Policy but what the administrator adds.
[[nodiscard]] std::string render_template(ngx_http_request_t* r,
                                          const LoginTemplate& parsed,
                                          const phoenix::LoginPage& page);

}  // namespace sigra::nginx
