// Setters of the directives for logins.
#include "nginx/conf/arguments.hpp"
#include "nginx/conf/directives.hpp"
#include "nginx/conf/setter.hpp"

namespace sigra::nginx {

// nginx itself checks that the pool exists when the whole configuration was
// read, and then names this line.
char* set_thread_pool(ngx_conf_t* cf, ngx_command_t*, void* conf) noexcept {
    return setter(cf, [&]() -> char* {
        if (location(conf).password_threads != nullptr) {
            return const_cast<char*>(is_duplicate);
        }
        ngx_str_t name = as_ngx_str(Arguments(cf, 2).word(1));
        location(conf).password_threads = ngx_thread_pool_add(cf, &name);
        return location(conf).password_threads != nullptr
                   ? NGX_CONF_OK
                   : static_cast<char*>(NGX_CONF_ERROR);
    });
}

char* set_password_checks(ngx_conf_t* cf, ngx_command_t*, void* conf) noexcept {
    return setter(cf, [&]() -> char* {
        if (location(conf).password_checks != nullptr) {
            return const_cast<char*>(is_duplicate);
        }
        Arguments arguments(cf, 1);
        PasswordLimits limits{default_running_checks()};
        if (auto n = arguments.number("running", 1, 1000)) {
            limits.running = static_cast<std::size_t>(*n);
        }
        if (auto n = arguments.number("queue", 0, 100'000)) {
            limits.queue = static_cast<std::size_t>(*n);
        }
        if (auto t = arguments.milliseconds("floor")) {
            limits.floor_ms = static_cast<ngx_msec_t>(*t);
        }
        location(conf).password_checks = make(cf, limits);
        return arguments.finish();
    });
}

char* set_password_hash(ngx_conf_t* cf, ngx_command_t*, void* conf) noexcept {
    return setter(cf, [&]() -> char* {
        if (location(conf).password_hash != nullptr) {
            return const_cast<char*>(is_duplicate);
        }
        Arguments arguments(cf, 2);
        PasswordHash hash;
        if (arguments.word(1) == "argon2id") {
            const phoenix::Argon2Cost& most = phoenix::max_argon2_cost;
            phoenix::Argon2Cost cost;
            auto take = [&](std::string_view name, std::uint32_t& field,
                            std::uint32_t max) {
                field = static_cast<std::uint32_t>(
                    arguments.number(name, 1, max).value_or(field));
            };
            take("m", cost.memory_kib, most.memory_kib);
            take("t", cost.passes, most.passes);
            take("p", cost.lanes, most.lanes);
            if (cost.memory_kib < 8 * cost.lanes) {
                arguments.fail("\"m\" must be at least " +
                               std::to_string(8 * cost.lanes) +
                               ", 8 KiB for each of \"p\"");
            }
            hash.cost = cost;
        } else if (arguments.word(1) != "off") {
            arguments.fail("invalid scheme \"" +
                           std::string(arguments.word(1)) +
                           "\", it must be \"argon2id\" or \"off\"");
        }
        location(conf).password_hash = make(cf, hash);
        return arguments.finish();
    });
}

char* set_trusted_origins(ngx_conf_t* cf, ngx_command_t*, void* conf) noexcept {
    return setter(cf, [&]() -> char* {
        if (location(conf).trusted_origins != nullptr) {
            return const_cast<char*>(is_duplicate);
        }
        // No name=value parameters: the loop reads all words.
        Arguments arguments(cf, cf->args->nelts);
        TrustedOrigins origins;
        for (ngx_uint_t i = 1; i < cf->args->nelts; i++) {
            auto origin = phoenix::parse_origin(arguments.word(i));
            if (!origin) {
                arguments.fail("invalid origin \"" +
                               std::string(arguments.word(i)) +
                               "\", it must be like "
                               "\"https://app.example.com\" or "
                               "\"https://app.example.com:8443\", without a "
                               "path");
                break;
            }
            origins.push_back(std::move(*origin));
        }
        location(conf).trusted_origins = make(cf, std::move(origins));
        return arguments.finish();
    });
}

}  // namespace sigra::nginx
