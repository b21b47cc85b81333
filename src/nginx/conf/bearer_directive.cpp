// auth_sigra_bearer: API tokens, and where they are kept.
#include <algorithm>

#include "nginx/conf/arguments.hpp"
#include "nginx/conf/conf.hpp"
#include "nginx/conf/directives.hpp"
#include "nginx/conf/setter.hpp"

namespace sigra::nginx {
namespace {

bool is_context(std::string_view text) {
    constexpr std::string_view others = "-_.:";
    return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
               (c >= 'A' && c <= 'Z') || others.find(c) != others.npos;
    });
}

bool is_of_mail(std::string_view context) {
    return context == "login" || context == "confirm" ||
           context == "reset_password" || context.starts_with("change:");
}

// In the schema of the users table, by the name that phx.gen.auth uses.
std::string table_of_tokens(const std::string& users) {
    const std::size_t dot = users.find('.');
    return (dot == std::string::npos ? "" : users.substr(0, dot + 1)) +
           "users_tokens";
}

}  // namespace

char* set_bearer(ngx_conf_t* cf, ngx_command_t*, void* conf) noexcept {
    return setter(cf, [&]() -> char* {
        if (location(conf).bearer != nullptr) {
            return const_cast<char*>(is_duplicate);
        }
        Arguments arguments(cf, 2);
        auto* bearer = make<Bearer>(cf);
        location(conf).bearer = bearer;
        const std::string_view mode = arguments.word(1);
        if (mode == "off") {
            return arguments.finish();
        }
        if (mode != "on" && mode != "only") {
            arguments.fail("invalid value \"" + std::string(mode) +
                           R"(", it must be "off", "on" or "only")");
        }
        bearer->mode = mode == "on" ? Bearer::Mode::on : Bearer::Mode::only;
        bearer->context = arguments.text("context").value_or(bearer->context);
        bearer->ttl_s = arguments.seconds("ttl").value_or(bearer->ttl_s);
        bearer->tokens = arguments.text("tokens").value_or("");
        if (!is_context(bearer->context)) {
            arguments.fail(
                "a context is made of letters, digits, \"-\", \"_\", \".\" and "
                "\":\"");
        }
        // A session token from a cookie must not pass as an API token.
        if (bearer->context == "session") {
            arguments.fail("the context \"session\" is that of logins");
        }
        // Nor must a token that was sent by mail, which has the same form.
        if (is_of_mail(bearer->context)) {
            arguments.fail("the context \"" + bearer->context +
                           "\" is that of tokens sent by mail");
        }
        return arguments.finish();
    });
}

bool takes_bearer(const LocationConf& conf) {
    if (conf.bearer->mode == Bearer::Mode::off) {
        return false;
    }
    if (conf.endpoint == nullptr) {
        return true;
    }
    switch (conf.endpoint->kind) {
        // These begin, end and renew sessions.
        case Endpoint::Kind::login:
        case Endpoint::Kind::logout:
        case Endpoint::Kind::renew:
            return false;
        case Endpoint::Kind::session:
        case Endpoint::Kind::sessions:
            return true;
    }
    return false;
}

postgres::Layout bearer_layout(const LocationConf& conf,
                               const postgres::Layout& sessions) {
    postgres::Layout layout;
    layout.users = sessions.users;
    layout.singular = sessions.singular;
    layout.where = sessions.where;
    layout.channel = sessions.channel;
    layout.context = conf.bearer->context;
    layout.tokens = sessions.tokens;
    if (!conf.bearer->tokens.empty()) {
        layout.tokens = conf.bearer->tokens;
    } else if (sessions.kind == postgres::LayoutKind::sigra_sessions) {
        layout.tokens = table_of_tokens(sessions.users);
    }
    return layout;
}

}  // namespace sigra::nginx
