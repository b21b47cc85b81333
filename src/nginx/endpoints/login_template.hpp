// A customised login page: a file with nginx's variables in it, an
// application's page, or the built-in one with a name and links.
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
        // Taken from the page that is being made, not from nginx's variables of
        // that name.
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
    std::vector<Part> parts;  // of the file; none: the built-in page
    std::string location;     // a named location that answers a GET, or empty
    // Shown on the built-in page unless empty.
    std::string title, logo, reset, registration;
};

// `$name` and `${name}` are variables; any other `$` is a dollar sign, before a
// digit too. The result lives in the configuration's pool; null: `error` says
// why. A variable that does not exist is an error when the whole configuration
// was read. `file` is the name in messages.
[[nodiscard]] LoginTemplate* parse_template(ngx_conf_t* cf,
                                            std::string_view text,
                                            std::string_view file,
                                            std::string& error);

// Each value is HTML-escaped. The response to a template has no
// Content-Security-Policy but the administrator's own.
[[nodiscard]] std::string render_template(ngx_http_request_t* r,
                                          const LoginTemplate& parsed,
                                          const phoenix::LoginPage& page);

}  // namespace sigra::nginx
