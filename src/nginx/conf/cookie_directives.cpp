// Setters of the directives for the two cookies.
#include <algorithm>

#include "nginx/conf/arguments.hpp"
#include "nginx/conf/directives.hpp"
#include "nginx/conf/needed_variables.hpp"
#include "nginx/conf/setter.hpp"

namespace sigra::nginx {
namespace {

// RFC 6265 cookie-name: an HTTP token.
bool is_cookie_name(std::string_view s) {
    constexpr std::string_view separators = "()<>@,;:\\\"/[]?={}";
    return !s.empty() && std::all_of(s.begin(), s.end(), [&](char c) {
        return c > 0x20 && c < 0x7f &&
               separators.find(c) == std::string_view::npos;
    });
}

bool is_cookie_path(std::string_view s) {
    return s.starts_with('/') && std::all_of(s.begin(), s.end(), [](char c) {
               return c >= 0x20 && c < 0x7f && c != ';';
           });
}

bool is_variable_name(std::string_view s) {
    return !s.empty() && std::all_of(s.begin(), s.end(), [](char c) {
        return c == '_' || (c >= '0' && c <= '9') ||
               ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
    });
}

bool is_same_site(std::string_view s) {
    return s == "Lax" || s == "Strict" || s == "None";
}

}  // namespace

char* set_session_cookie(ngx_conf_t* cf, ngx_command_t*, void* conf) noexcept {
    return setter(cf, [&]() -> char* {
        if (location(conf).session_cookie != nullptr) {
            return const_cast<char*>(is_duplicate);
        }
        Arguments arguments(cf, 2);
        auto* cookie = make<SessionCookie>(cf);
        cookie->name = arguments.word(1);
        auto salt = arguments.text("signing_salt");
        cookie->encryption_salt =
            arguments.text("encryption_salt").value_or("");
        cookie->key.iterations = static_cast<int>(
            arguments.number("key_iterations", 1, 10'000'000).value_or(1000));
        cookie->key.length = static_cast<std::size_t>(
            arguments.number("key_length", 1, 1024).value_or(32));
        std::string digest = arguments.text("key_digest").value_or("sha256");
        cookie->max_age = arguments.seconds("max_age");
        cookie->path = arguments.text("path").value_or("/");
        cookie->same_site = arguments.text("same_site").value_or("Lax");
        if (digest == "sha384") {
            cookie->key.digest = phoenix::Digest::sha384;
        } else if (digest == "sha512") {
            cookie->key.digest = phoenix::Digest::sha512;
        } else if (digest != "sha256") {
            arguments.fail(
                "\"key_digest\" must be \"sha256\", \"sha384\" or \"sha512\"");
        }
        if (!is_cookie_name(cookie->name)) {
            arguments.fail("invalid cookie name \"" + cookie->name + "\"");
        }
        if (!salt) {
            arguments.fail(
                "\"signing_salt\" is missing; it is in the application's "
                "endpoint.ex, in @session_options");
        }
        if (!cookie->encryption_salt.empty() &&
            cookie->key.length != phoenix::Encryptor::key_length) {
            arguments.fail(
                "\"key_length\" must be 32 with \"encryption_salt\"");
        }
        if (!is_cookie_path(cookie->path)) {
            arguments.fail("\"path\" must start with \"/\"");
        }
        if (!is_same_site(cookie->same_site)) {
            arguments.fail(
                "\"same_site\" must be \"Lax\", \"Strict\" or \"None\"");
        }
        cookie->signing_salt = salt.value_or("");
        location(conf).session_cookie = cookie;
        return arguments.finish();
    });
}

char* set_remember_me_cookie(ngx_conf_t* cf, ngx_command_t*,
                             void* conf) noexcept {
    return setter(cf, [&]() -> char* {
        if (location(conf).remember_cookie != nullptr) {
            return const_cast<char*>(is_duplicate);
        }
        Arguments arguments(cf, 2);
        auto* cookie = make<RememberMeCookie>(cf);
        cookie->enabled = arguments.word(1) != "off";
        if (!cookie->enabled) {
            location(conf).remember_cookie = cookie;
            return arguments.finish();
        }
        cookie->name = arguments.word(1);
        cookie->max_age = arguments.seconds("max_age");
        cookie->path = arguments.text("path").value_or("/");
        cookie->same_site = arguments.text("same_site").value_or("Lax");
        if (!is_cookie_name(cookie->name)) {
            arguments.fail("invalid cookie name \"" + cookie->name + "\"");
        }
        if (cookie->name == "on") {
            arguments.fail("say the cookie's name, or \"off\"");
        }
        if (!is_cookie_path(cookie->path)) {
            arguments.fail("\"path\" must start with \"/\"");
        }
        if (!is_same_site(cookie->same_site)) {
            arguments.fail(
                "\"same_site\" must be \"Lax\", \"Strict\" or \"None\"");
        }
        location(conf).remember_cookie = cookie;
        return arguments.finish();
    });
}

char* set_cookie_domain(ngx_conf_t* cf, ngx_command_t* cmd,
                        void* conf) noexcept {
    return setter(cf, [&]() -> char* {
        auto& field = *reinterpret_cast<ngx_str_t*>(static_cast<char*>(conf) +
                                                    cmd->offset);
        if (field.data != nullptr) {
            return const_cast<char*>(is_duplicate);
        }
        Arguments arguments(cf, 2);
        std::string_view domain = arguments.word(1);
        bool valid = !domain.empty() && domain.size() <= 253 &&
                     std::all_of(domain.begin(), domain.end(), [](char c) {
                         return c == '.' || c == '-' ||
                                (c >= '0' && c <= '9') ||
                                ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
                     });
        if (!valid) {
            arguments.fail("invalid domain \"" + std::string(domain) + "\"");
        }
        field = as_ngx_str(domain);
        return arguments.finish();
    });
}

char* set_cookie_secure(ngx_conf_t* cf, ngx_command_t* cmd,
                        void* conf) noexcept {
    return setter(cf, [&]() -> char* {
        Arguments arguments(cf, 2);
        if (arguments.word(1).find('$') == std::string_view::npos) {
            return set_keyword(cf, cmd, conf);
        }
        if (location(conf).secure != NGX_CONF_UNSET_UINT) {
            return const_cast<char*>(is_duplicate);
        }
        auto* value = make<ngx_http_complex_value_t>(cf);
        ngx_str_t text = as_ngx_str(arguments.word(1));
        ngx_http_compile_complex_value_t compile{};
        compile.cf = cf;
        compile.value = &text;
        compile.complex_value = value;
        if (ngx_http_compile_complex_value(&compile) != NGX_OK) {
            return static_cast<char*>(NGX_CONF_ERROR);
        }
        // In a longer text, nginx itself checks the variables.
        if (const std::string_view name = arguments.word(1).substr(1);
            arguments.word(1).starts_with('$') && is_variable_name(name)) {
            need_variable(cf, name);
        }
        location(conf).secure = secure_variable;
        location(conf).secure_value = value;
        return arguments.finish();
    });
}

}  // namespace sigra::nginx
