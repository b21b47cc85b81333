// Setters of the directives that are more than a flag or a keyword.
#pragma once

#include "nginx/ngx.hpp"

namespace sigra::nginx {

char* set_postgres(ngx_conf_t* cf, ngx_command_t* cmd, void* conf) noexcept;
char* set_schema(ngx_conf_t* cf, ngx_command_t* cmd, void* conf) noexcept;
char* set_secret(ngx_conf_t* cf, ngx_command_t* cmd, void* conf) noexcept;
char* set_session_cookie(ngx_conf_t* cf, ngx_command_t* cmd,
                         void* conf) noexcept;
char* set_remember_me_cookie(ngx_conf_t* cf, ngx_command_t* cmd,
                             void* conf) noexcept;
char* set_session_ttl(ngx_conf_t* cf, ngx_command_t* cmd, void* conf) noexcept;

// endpoints/verify.cpp
char* set_verify(ngx_conf_t* cf, ngx_command_t* cmd, void* conf) noexcept;
// bearer_directive.cpp
char* set_bearer(ngx_conf_t* cf, ngx_command_t* cmd, void* conf) noexcept;
// endpoint_directives.cpp
char* set_login(ngx_conf_t* cf, ngx_command_t* cmd, void* conf) noexcept;
char* set_logout(ngx_conf_t* cf, ngx_command_t* cmd, void* conf) noexcept;
char* set_renew(ngx_conf_t* cf, ngx_command_t* cmd, void* conf) noexcept;
char* set_session(ngx_conf_t* cf, ngx_command_t* cmd, void* conf) noexcept;
char* set_sessions(ngx_conf_t* cf, ngx_command_t* cmd, void* conf) noexcept;
char* set_lockout(ngx_conf_t* cf, ngx_command_t* cmd, void* conf) noexcept;
char* set_second_factor(ngx_conf_t* cf, ngx_command_t* cmd,
                        void* conf) noexcept;

// A keyword of the ngx_conf_enum_t at cmd->post; the ngx_uint_t at
// cmd->offset. Unlike nginx's own setter it names the keywords.
char* set_keyword(ngx_conf_t* cf, ngx_command_t* cmd, void* conf) noexcept;
// A time or `off`; the time_t at cmd->offset, `off` is 0.
char* set_time_or_off(ngx_conf_t* cf, ngx_command_t* cmd, void* conf) noexcept;
// A local path, or a whole http(s) URL; the ngx_str_t at cmd->offset.
char* set_url(ngx_conf_t* cf, ngx_command_t* cmd, void* conf) noexcept;
char* set_cookie_secure(ngx_conf_t* cf, ngx_command_t* cmd,
                        void* conf) noexcept;
char* set_cookie_domain(ngx_conf_t* cf, ngx_command_t* cmd,
                        void* conf) noexcept;

char* set_thread_pool(ngx_conf_t* cf, ngx_command_t* cmd, void* conf) noexcept;
char* set_password_checks(ngx_conf_t* cf, ngx_command_t* cmd,
                          void* conf) noexcept;
char* set_password_hash(ngx_conf_t* cf, ngx_command_t* cmd,
                        void* conf) noexcept;
char* set_messages(ngx_conf_t* cf, ngx_command_t* cmd, void* conf) noexcept;
char* set_trusted_origins(ngx_conf_t* cf, ngx_command_t* cmd,
                          void* conf) noexcept;

}  // namespace sigra::nginx
