// The debug lines of the error log that follow a request through the module.
// They hold no secret: a session is named as in $auth_sigra_session.
#pragma once

#include <string_view>

#include "nginx/ngx.hpp"

namespace sigra::nginx {

// Checked before a text is made. Always false if nginx was built without
// --with-debug.
inline bool debugs([[maybe_unused]] const ngx_http_request_t* r) {
#if (NGX_DEBUG)
    return (r->connection->log->log_level & NGX_LOG_DEBUG_HTTP) != 0;
#else
    return false;
#endif
}

[[gnu::cold]] inline void debug(const ngx_http_request_t* r,
                                std::string_view text) {
    ngx_str_t line = as_ngx_str(text);
    // The macro is used because the function behind it takes one argument more
    // in Angie.
    ngx_log_error(NGX_LOG_DEBUG, r->connection->log, 0, "auth_sigra: %V",
                  &line);
}

}  // namespace sigra::nginx
