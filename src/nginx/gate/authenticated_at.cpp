#include "nginx/gate/authenticated_at.hpp"

#include "nginx/ngx.hpp"

namespace sigra::nginx {

std::string format_authenticated_at(std::int64_t unix_seconds) {
    ngx_tm_t tm;
    u_char text[sizeof("-9999-12-31T23:59:59Z") + 16];
    ngx_gmtime(static_cast<time_t>(unix_seconds), &tm);
    u_char* end =
        ngx_snprintf(text, sizeof(text), "%4d-%02d-%02dT%02d:%02d:%02dZ",
                     tm.ngx_tm_year, tm.ngx_tm_mon, tm.ngx_tm_mday,
                     tm.ngx_tm_hour, tm.ngx_tm_min, tm.ngx_tm_sec);
    return {reinterpret_cast<char*>(text),
            static_cast<std::size_t>(end - text)};
}

}  // namespace sigra::nginx
