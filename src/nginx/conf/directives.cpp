#include "nginx/conf/directives.hpp"

#include <algorithm>

#include "nginx/conf/arguments.hpp"
#include "nginx/conf/setter.hpp"
#include "phoenix/redirect.hpp"

namespace sigra::nginx {
namespace {

constexpr std::size_t min_secret = 64;

bool is_identifier(std::string_view s) {
    return !s.empty() && std::all_of(s.begin(), s.end(), [](char c) {
        return c == '_' || (c >= '0' && c <= '9') ||
               ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
    });
}

// Directives with the same conninfo share one pool, so their parameters must be
// the same.
const Database* share_database(MainConf& main, postgres::PoolOptions options,
                               std::string listen, Arguments& arguments) {
    for (const auto& known : main.databases) {
        if (known->options.conninfo != options.conninfo) {
            continue;
        }
        if (known->options != options || known->listen != listen) {
            arguments.fail(
                "the same conninfo is used elsewhere with other parameters; "
                "one database has one pool, give both the same ones");
        }
        return known.get();
    }
    auto database = std::make_unique<Database>();
    database->index = main.databases.size();
    database->options = std::move(options);
    database->listen = std::move(listen);
    main.databases.push_back(std::move(database));
    return main.databases.back().get();
}

// Explains mistakes in a conninfo about which libpq says little or nothing;
// empty: none of these. Does not repeat the conninfo, which may hold a
// password.
std::string_view common_mistake(std::string_view word) {
    if (word.starts_with("ecto://") || word.starts_with("ecto+")) {
        return "\"ecto://\" is a scheme of Ecto only: say \"postgresql://\", "
               "without parameters of Ecto's such as pool_size";
    }
    if (word.find('=') == std::string_view::npos &&
        word.find("://") == std::string_view::npos) {
        return word.find('/') != std::string_view::npos
                   ? "a path is not a conninfo: to read one from a file say "
                     "\"file:PATH\""
                   : "";
    }
    return "";
}

// CONNINFO or file:PATH. nullopt: it cannot be read.
std::optional<std::string> read_conninfo(ngx_conf_t* cf, Arguments& arguments,
                                         std::string_view word) {
    std::string error;
    auto conninfo = read_indirect(cf, word, /*allow_env=*/false, error);
    if (!conninfo) {
        arguments.fail(error);
        return std::nullopt;
    }
    if (std::string_view mistake = common_mistake(*conninfo);
        !mistake.empty()) {
        arguments.fail(std::string(mistake));
        return conninfo;
    }
    error = postgres::conninfo_error(*conninfo);
    if (error.empty()) {
        error = postgres::conninfo_value_error(*conninfo);
    } else if (word.starts_with("file:")) {
        // libpq quotes what it cannot parse, and that may be the password that
        // the file was to keep secret.
        arguments.fail("the file does not have a valid conninfo");
    } else if (conninfo->find(", ") != std::string::npos) {
        error += " (a list of hosts has no blanks: \"host=db1,db2\")";
    }
    if (!error.empty()) {
        arguments.fail("invalid conninfo: " + error);
    }
    return conninfo;
}

std::string take_listen(ngx_conf_t* cf, Arguments& arguments) {
    auto word = arguments.text("listen");
    return word ? read_conninfo(cf, arguments, *word).value_or("") : "";
}

void take_pool_options(Arguments& arguments, postgres::PoolOptions& options) {
    using postgres::Milliseconds;
    if (auto n = arguments.number("connections", 1, 1000)) {
        options.connections = static_cast<unsigned>(*n);
    }
    if (auto n = arguments.number("queue", 1, 1000000)) {
        options.queue = static_cast<unsigned>(*n);
    }
    if (auto t = arguments.milliseconds("timeout")) {
        options.timeout = Milliseconds(*t);
    }
    if (auto t = arguments.milliseconds("connect_timeout")) {
        options.connect_timeout = Milliseconds(*t);
    }
    if (auto t = arguments.milliseconds("max_reconnect_delay")) {
        options.max_reconnect_delay = Milliseconds(*t);
    }
    if (auto on = arguments.flag("prepare")) {
        options.prepare = *on;
    }
}

}  // namespace

char* set_postgres(ngx_conf_t* cf, ngx_command_t*, void* conf) noexcept {
    return setter(cf, [&]() -> char* {
        if (location(conf).database != nullptr) {
            return const_cast<char*>(is_duplicate);
        }
        Arguments arguments(cf, 2);
        postgres::PoolOptions options;
        auto conninfo = read_conninfo(cf, arguments, arguments.word(1));
        if (!conninfo) {
            return arguments.finish();
        }
        options.conninfo = *conninfo;
        take_pool_options(arguments, options);
        arguments.expected(
            "quote the connection string as a whole: \"host=localhost "
            "dbname=my_app\"");
        // Not when locations are merged: Angie starts no threads for a pool
        // that is added then.
        main_conf(cf).default_threads = ngx_thread_pool_add(cf, nullptr);
        if (main_conf(cf).default_threads == nullptr) {
            return static_cast<char*>(NGX_CONF_ERROR);
        }
        location(conf).database =
            share_database(main_conf(cf), std::move(options),
                           take_listen(cf, arguments), arguments);
        return arguments.finish();
    });
}

char* set_schema(ngx_conf_t* cf, ngx_command_t*, void* conf) noexcept {
    return setter(cf, [&]() -> char* {
        if (location(conf).schema != nullptr) {
            return const_cast<char*>(is_duplicate);
        }
        Arguments arguments(cf, 2);
        auto* schema = make<Schema>(cf);
        postgres::Layout& layout = schema->layout;
        if (arguments.word(1) == "phx_gen_auth") {
            layout.kind = postgres::LayoutKind::phx_gen_auth;
        } else if (arguments.word(1) == "sigra_sessions") {
            layout.kind = postgres::LayoutKind::sigra_sessions;
            layout.tokens = "user_sessions";
        } else if (arguments.word(1) != "sigra") {
            arguments.fail("invalid layout \"" +
                           std::string(arguments.word(1)) +
                           "\", it must be \"sigra\", \"phx_gen_auth\" or "
                           "\"sigra_sessions\"");
        }
        layout.users = arguments.text("users").value_or(layout.users);
        layout.tokens = arguments.text("tokens").value_or(layout.tokens);
        layout.singular = arguments.text("singular").value_or(layout.singular);
        if (auto where = arguments.text("where")) {
            arguments.check_sql(*where);
            layout.where = std::move(*where);
        }
        schema->plural = arguments.text("plural").value_or(schema->plural);
        if (!is_identifier(layout.singular) || !is_identifier(schema->plural)) {
            arguments.fail(
                "\"singular\" and \"plural\" must be made of letters, digits "
                "and \"_\"");
        }
        location(conf).schema = schema;
        return arguments.finish();
    });
}

char* set_secret(ngx_conf_t* cf, ngx_command_t*, void* conf) noexcept {
    return setter(cf, [&]() -> char* {
        Arguments arguments(cf, 2);
        std::string error;
        auto secret =
            read_indirect(cf, arguments.word(1), /*allow_env=*/true, error);
        if (!secret) {
            arguments.fail(error);
        } else if (secret->size() < min_secret) {
            const bool is_path = arguments.word(1).starts_with('/');
            arguments.fail("the secret has " + std::to_string(secret->size()) +
                           " bytes, it must have at least 64 (" +
                           (is_path
                                ? "say \"file:PATH\" to read it from a file)"
                                : "\"mix phx.gen.secret\" or \"openssl rand "
                                  "-base64 48\" makes one)"));
        } else if (secret->starts_with("SECRET_KEY_BASE=") ||
                   secret->find('\n') != std::string::npos) {
            arguments.fail(
                "the secret must be one line that is the secret itself, "
                "without \"SECRET_KEY_BASE=\"");
        } else {
            auto* secrets = const_cast<Secrets*>(location(conf).secrets);
            if (secrets == nullptr) {
                secrets = make<Secrets>(cf);
                location(conf).secrets = secrets;
            }
            secrets->values.push_back(*secret);
            phoenix::wipe(*secret);
        }
        return arguments.finish();
    });
}

char* set_session_ttl(ngx_conf_t* cf, ngx_command_t*, void* conf) noexcept {
    return setter(cf, [&]() -> char* {
        if (location(conf).lifetimes != nullptr) {
            return const_cast<char*>(is_duplicate);
        }
        Arguments arguments(cf, 2);
        auto* lifetimes = make<Lifetimes>(cf);
        ngx_str_t text = as_ngx_str(arguments.word(1));
        ngx_int_t standard = ngx_parse_time(&text, 1);
        if (standard == NGX_ERROR || standard == 0 || standard > century_s) {
            arguments.fail("invalid time \"" + std::string(view(text)) +
                           "\", it must be a time above zero like \"14d\"");
        }
        lifetimes->standard_s = standard;
        lifetimes->remember_me_s =
            arguments.seconds("remember_me").value_or(standard);
        location(conf).lifetimes = lifetimes;
        return arguments.finish();
    });
}

char* set_keyword(ngx_conf_t* cf, ngx_command_t* cmd, void* conf) noexcept {
    return setter(cf, [&]() -> char* {
        auto& field = *reinterpret_cast<ngx_uint_t*>(static_cast<char*>(conf) +
                                                     cmd->offset);
        if (field != NGX_CONF_UNSET_UINT) {
            return const_cast<char*>(is_duplicate);
        }
        Arguments arguments(cf, 2);
        const auto* values = static_cast<const ngx_conf_enum_t*>(cmd->post);
        for (const auto* v = values; v->name.len != 0; v++) {
            if (view(v->name) == arguments.word(1)) {
                field = v->value;
                return arguments.finish();
            }
        }
        arguments.fail("invalid value \"" + std::string(arguments.word(1)) +
                       "\", it must be " + choices(values));
        return arguments.finish();
    });
}

char* set_time_or_off(ngx_conf_t* cf, ngx_command_t* cmd, void* conf) noexcept {
    return setter(cf, [&]() -> char* {
        auto& field =
            *reinterpret_cast<time_t*>(static_cast<char*>(conf) + cmd->offset);
        if (field != NGX_CONF_UNSET) {
            return const_cast<char*>(is_duplicate);
        }
        Arguments arguments(cf, 2);
        ngx_str_t text = as_ngx_str(arguments.word(1));
        if (view(text) == "off") {
            field = 0;
            return arguments.finish();
        }
        field = ngx_parse_time(&text, 1);
        if (field == NGX_ERROR || field == 0) {
            arguments.fail("invalid time \"" + std::string(view(text)) +
                           "\", it must be a time above zero or \"off\"");
        }
        return arguments.finish();
    });
}

char* set_url(ngx_conf_t* cf, ngx_command_t* cmd, void* conf) noexcept {
    return setter(cf, [&]() -> char* {
        auto& field = *reinterpret_cast<ngx_str_t*>(static_cast<char*>(conf) +
                                                    cmd->offset);
        if (field.data != nullptr) {
            return const_cast<char*>(is_duplicate);
        }
        Arguments arguments(cf, 2);
        std::string_view url = arguments.word(1);
        bool absolute =
            url.starts_with("https://") || url.starts_with("http://");
        bool clean = std::all_of(url.begin(), url.end(), [](char c) {
            return static_cast<unsigned char>(c) > 0x20 && c != 0x7f;
        });
        if (!clean || !(absolute || phoenix::is_local_path(url))) {
            arguments.fail("invalid URL \"" + std::string(url) +
                           "\", it must be a path like \"/users/log-in\" or "
                           "start with \"https://\"");
        }
        field = as_ngx_str(url);
        return arguments.finish();
    });
}

}  // namespace sigra::nginx
