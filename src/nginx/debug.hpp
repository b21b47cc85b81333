// The lines of `error_log … debug`: a request's way through the module. Nothing
// that opens a session is in them. A session is named as $auth_sigra_session
// does.
#pragma once

#include <string_view>

#include "nginx/ngx.hpp"

namespace sigra::nginx {

// Asked first, so that no text is made for nobody. Never where nginx was built
// without --with-debug.
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
    // By the macro: what it calls takes one argument more in Angie.
    ngx_log_error(NGX_LOG_DEBUG, r->connection->log, 0, "auth_sigra: %V",
                  &line);
}

}  // namespace sigra::nginx
