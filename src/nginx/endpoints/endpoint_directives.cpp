// The setters of the endpoints' directives.
#include "nginx/conf/arguments.hpp"
#include "nginx/conf/directives.hpp"
#include "nginx/conf/named_locations.hpp"
#include "nginx/conf/setter.hpp"
#include "nginx/endpoints/endpoint.hpp"
#include "nginx/endpoints/login_template.hpp"
#include "phoenix/redirect.hpp"

namespace sigra::nginx {
namespace {

// Makes the location an endpoint. Null where it has a content handler already,
// and `arguments` has the error.
Endpoint* become(ngx_conf_t* cf, void* conf, Endpoint::Kind kind,
                 Arguments& arguments) {
    auto* core = static_cast<ngx_http_core_loc_conf_t*>(
        ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module));
    if (const Endpoint* other = location(conf).endpoint) {
        arguments.fail("the location has " + directive_of(other->kind) +
                       " already; give each a location of its own");
        return nullptr;
    }
    if (core->handler != nullptr) {
        arguments.fail(beside_another_handler(
            '"' + std::string(view(*static_cast<ngx_str_t*>(cf->args->elts))) +
            '"'));
        return nullptr;
    }
    auto* endpoint = make<Endpoint>(cf);
    endpoint->kind = kind;
    location(conf).endpoint = endpoint;
    endpoint->handler = endpoint_handler;
    core->handler = endpoint_handler;
    return endpoint;
}

// A directive with one optional word.
char* set_optional_word(ngx_conf_t* cf, void* conf, Endpoint::Kind kind,
                        std::string_view word, bool Endpoint::*flag) noexcept {
    return setter(cf, [&]() -> char* {
        const bool given =
            cf->args->nelts > 1 &&
            view(static_cast<ngx_str_t*>(cf->args->elts)[1]) == word;
        Arguments arguments(cf, given ? 2 : 1);
        arguments.expected("it takes \"" + std::string(word) + "\"");
        Endpoint* endpoint = become(cf, conf, kind, arguments);
        if (endpoint != nullptr) {
            endpoint->*flag = given;
        }
        return arguments.finish();
    });
}

bool is_url(std::string_view url) {
    return phoenix::is_local_path(url) || url.starts_with("https://") ||
           url.starts_with("http://");
}

void fail_unless_named(Arguments& arguments, std::string_view parameter,
                       std::string_view name) {
    if (!name.empty() && (!name.starts_with('@') || name.size() == 1)) {
        arguments.fail("\"" + std::string(parameter) +
                       "\" must name a named location, \"@NAME\"");
    }
}

// Reads what the built-in page shows. True: some of it is given.
bool dress(Arguments& arguments, LoginTemplate& page) {
    page.title = arguments.text("title").value_or("");
    bool dressed = !page.title.empty();
    struct {
        const char* name;
        std::string& url;
    } const urls[] = {{"logo", page.logo},
                      {"reset", page.reset},
                      {"register", page.registration}};
    for (const auto& [name, url] : urls) {
        url = arguments.text(name).value_or("");
        dressed |= !url.empty();
        if (!url.empty() && !is_url(url)) {
            arguments.fail("\"" + std::string(name) +
                           "\" must be a path, or a URL that starts with "
                           "\"https://\" or \"http://\"");
        }
    }
    return dressed;
}

}  // namespace

char* set_login(ngx_conf_t* cf, ngx_command_t*, void* conf) noexcept {
    return setter(cf, [&]() -> char* {
        Arguments arguments(cf, 1);
        Endpoint* endpoint = become(cf, conf, Endpoint::Kind::login, arguments);
        if (endpoint == nullptr) {
            return arguments.finish();
        }
        auto* page = make<LoginTemplate>(cf);
        const auto path = arguments.text("template");
        if (path) {
            std::string error;
            auto text = read_indirect(cf, "file:" + *path,
                                      /*allow_env=*/false, error);
            page = text ? parse_template(cf, *text, *path, error) : nullptr;
            if (page == nullptr) {
                arguments.fail(error);
                return arguments.finish();
            }
        }
        endpoint->page = page;
        endpoint->fallback = arguments.text("fallback").value_or("");
        fail_unless_named(arguments, "fallback", endpoint->fallback);
        page->location = arguments.text("page").value_or("");
        fail_unless_named(arguments, "page", page->location);
        const bool dressed = dress(arguments, *page);
        if (path.has_value() + !page->location.empty() + dressed > 1) {
            arguments.fail(
                "\"template\", \"page\" and the parameters of the built-in "
                "page (\"title\", \"logo\", \"reset\", \"register\") cannot be "
                "used together");
        }
        for (const std::string* name : {&endpoint->fallback, &page->location}) {
            if (!name->empty()) {
                need_named_location(cf, *name);
            }
        }
        return arguments.finish();
    });
}

char* set_logout(ngx_conf_t* cf, ngx_command_t*, void* conf) noexcept {
    return set_optional_word(cf, conf, Endpoint::Kind::logout, "everywhere",
                             &Endpoint::everywhere);
}

char* set_renew(ngx_conf_t* cf, ngx_command_t*, void* conf) noexcept {
    return set_optional_word(cf, conf, Endpoint::Kind::renew, "authenticated",
                             &Endpoint::authenticated);
}

char* set_session(ngx_conf_t* cf, ngx_command_t*, void* conf) noexcept {
    return setter(cf, [&]() -> char* {
        Arguments arguments(cf, 1);
        (void)become(cf, conf, Endpoint::Kind::session, arguments);
        return arguments.finish();
    });
}

char* set_sessions(ngx_conf_t* cf, ngx_command_t*, void* conf) noexcept {
    return setter(cf, [&]() -> char* {
        Arguments arguments(cf, 1);
        (void)become(cf, conf, Endpoint::Kind::sessions, arguments);
        return arguments.finish();
    });
}

char* set_lockout(ngx_conf_t* cf, ngx_command_t*, void* conf) noexcept {
    return setter(cf, [&]() -> char* {
        if (location(conf).lockout != nullptr) {
            return const_cast<char*>(is_duplicate);
        }
        Lockout lockout;
        const bool off =
            view(static_cast<ngx_str_t*>(cf->args->elts)[1]) == "off";
        Arguments arguments(cf, off ? 2 : 1);
        if (!off) {
            lockout.threshold =
                arguments.number("threshold", 1, 1'000'000).value_or(5);
            lockout.duration_s = arguments.seconds("duration").value_or(900);
            arguments.expected("say \"threshold=5 duration=15m\"");
        }
        location(conf).lockout = make<Lockout>(cf, lockout);
        return arguments.finish();
    });
}

char* set_second_factor(ngx_conf_t* cf, ngx_command_t*, void* conf) noexcept {
    return setter(cf, [&]() -> char* {
        if (location(conf).second_factor != nullptr) {
            return const_cast<char*>(is_duplicate);
        }
        Arguments arguments(cf, 2);
        auto* factor = make<SecondFactor>(cf);
        factor->condition = arguments.word(1);
        std::string url = arguments.text("url").value_or("");
        if (factor->condition.empty() || !is_url(url)) {
            arguments.fail(
                "it must be an SQL condition on the users row u, and "
                "\"url=\" the path of the page that asks for the second "
                "factor,");
        }
        arguments.check_sql(factor->condition);
        factor->url = copy(cf->pool, url);
        location(conf).second_factor = factor;
        return arguments.finish();
    });
}

}  // namespace sigra::nginx
