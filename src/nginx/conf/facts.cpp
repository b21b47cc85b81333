#include "nginx/conf/facts.hpp"

#include <algorithm>
#include <array>

#include "cache/facts.hpp"
#include "nginx/conf/arguments.hpp"
#include "nginx/conf/conf.hpp"
#include "nginx/conf/needed_variables.hpp"
#include "nginx/conf/setter.hpp"
#include "postgres/layout.hpp"

namespace sigra::nginx {
namespace {

// The length that precedes each attribute in a cell.
constexpr std::size_t length_size = 4;
// Names that the identity headers have.
constexpr std::array<std::string_view, 3> taken_names = {"user_id", "email",
                                                         "authenticated_at"};

bool is_name(std::string_view s) {
    return !s.empty() && std::all_of(s.begin(), s.end(), [](char c) {
        return c == '_' || (c >= '0' && c <= '9') ||
               ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
    });
}

std::string lower(std::string_view s) {
    std::string out(s);
    std::transform(out.begin(), out.end(), out.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
    });
    return out;
}

// Not to be confused with SQL, which cannot be a name after a dollar sign.
bool is_variable(std::string_view word) {
    return word.starts_with('$') && is_name(word.substr(1));
}

template <class Equal>
std::size_t position(const auto& list, Equal&& equal) {
    return static_cast<std::size_t>(
        std::find_if(list.begin(), list.end(), equal) - list.begin());
}

// The condition's number; a new one is appended.
std::size_t number_of(Facts& facts, const std::string& condition) {
    const std::size_t at =
        position(facts.conditions,
                 [&](const std::string& known) { return known == condition; });
    if (at == facts.conditions.size()) {
        facts.conditions.push_back(condition);
    }
    return at;
}

std::size_t number_of(Facts& facts, const AttributeSetting& setting) {
    const std::size_t at =
        position(facts.attributes, [&](const Facts::Attribute& known) {
            return known.expression == setting.expression;
        });
    if (at == facts.attributes.size()) {
        facts.attributes.push_back({setting.expression, setting.size});
    }
    std::size_t& size = facts.attributes[at].size;
    size = std::max(size, setting.size);
    return at;
}

bool number_conditions(const LocationConf& conf, bool enforced, Facts& facts,
                       Rules& rules) {
    if (conf.require == nullptr || !enforced) {
        return true;
    }
    rules.variables = conf.require->variables;
    for (const std::string& condition : conf.require->conditions) {
        const std::size_t number = number_of(facts, condition);
        if (number >= postgres::max_conditions) {
            return false;
        }
        rules.conditions |= std::uint64_t{1} << number;
    }
    return true;
}

bool number_attributes(const LocationConf& conf, bool enforced, Facts& facts,
                       Rules& rules) {
    if (conf.attributes == nullptr) {
        return true;
    }
    rules.settings = conf.attributes;
    for (const AttributeSetting& setting : *conf.attributes) {
        const std::size_t number = number_of(facts, setting);
        if (number >= postgres::max_attributes) {
            return false;
        }
        rules.numbers.push_back(number);
        if (enforced) {
            rules.attributes |= std::uint32_t{1} << number;
        }
    }
    return true;
}

// auth_sigra_session answers null for an attribute that is NULL, so it must not
// do so for one that could not be read.
bool tells_attributes(const LocationConf& conf) {
    return conf.endpoint != nullptr &&
           conf.endpoint->kind == Endpoint::Kind::session;
}

}  // namespace

std::size_t Facts::room() const {
    std::size_t bytes = 0;
    for (const Attribute& attribute : attributes) {
        bytes += length_size + attribute.size;
    }
    return bytes;
}

const std::size_t* Rules::find(std::string_view name) const {
    if (settings == nullptr) {
        return nullptr;
    }
    const std::size_t at = position(
        *settings,
        [&](const AttributeSetting& setting) { return setting.name == name; });
    return at == numbers.size() ? nullptr : &numbers[at];
}

char* set_require(ngx_conf_t* cf, ngx_command_t*, void* conf) noexcept {
    return setter(cf, [&]() -> char* {
        Arguments arguments(cf, 2);
        arguments.expected(
            "quote the condition as a whole: \"u.role = 'admin'\"");
        const std::string_view word = arguments.word(1);
        auto* require = const_cast<Requirements*>(location(conf).require);
        if (require == nullptr) {
            require = make<Requirements>(cf);
            location(conf).require = require;
        } else if (require->off || word == "off") {
            arguments.fail("\"off\" cannot be used together with a condition");
            return arguments.finish();
        }
        if (word == "off") {
            require->off = true;
        } else if (is_variable(word)) {
            ngx_str_t name = as_ngx_str(word.substr(1));
            const ngx_int_t index = ngx_http_get_variable_index(cf, &name);
            if (index == NGX_ERROR) {
                return static_cast<char*>(NGX_CONF_ERROR);
            }
            need_variable(cf, view(name));
            require->variables.push_back(index);
        } else if (word == "on") {
            arguments.fail(
                "\"on\" is not a condition, it must be SQL on the users row "
                "\"u\" like \"u.role = 'admin'\"");
        } else {
            arguments.check_sql(word);
            require->conditions.emplace_back(word);
        }
        return arguments.finish();
    });
}

char* set_attribute(ngx_conf_t* cf, ngx_command_t*, void* conf) noexcept {
    return setter(cf, [&]() -> char* {
        Arguments arguments(cf, 3);
        if (cf->args->nelts > 4) {
            arguments.expected(
                "quote the expression as a whole: \"(SELECT t.name FROM teams "
                "t WHERE t.id = u.team_id)\"");
        }
        AttributeSetting setting;
        setting.name = lower(arguments.word(1));
        setting.header = "X-Auth-" + std::string(arguments.word(1));
        std::replace(setting.header.begin(), setting.header.end(), '_', '-');
        setting.expression = arguments.word(2);
        setting.size = static_cast<std::size_t>(
            arguments.number("size", 1, 4096).value_or(64));
        if (!is_name(setting.name)) {
            arguments.fail(
                "the name of an attribute must be made of letters, "
                "digits and \"_\"");
        }
        if (std::find(taken_names.begin(), taken_names.end(), setting.name) !=
            taken_names.end()) {
            arguments.fail("\"" + setting.name +
                           "\" is the name of an identity header, "
                           "give the attribute another name");
        }
        arguments.check_sql(setting.expression);
        auto* settings =
            const_cast<AttributeSettings*>(location(conf).attributes);
        if (settings == nullptr) {
            settings = make<AttributeSettings>(cf);
            location(conf).attributes = settings;
        }
        if (std::any_of(settings->begin(), settings->end(),
                        [&](const AttributeSetting& other) {
                            return other.name == setting.name;
                        })) {
            arguments.fail("the attribute \"" + setting.name +
                           "\" is defined twice here");
        }
        main_conf(cf).attribute_headers.insert(setting.header);
        settings->push_back(std::move(setting));
        return arguments.finish();
    });
}

// auth_sigra_require is enforced only where the gate is on: under `optional`
// everybody passes, and endpoints check the session themselves.
char* compile_rules(ngx_conf_t* cf, LocationConf& conf) {
    const bool enforced = conf.gate == gate_on && conf.endpoint == nullptr;
    if (conf.attributes == nullptr &&
        (!enforced || conf.require == nullptr || conf.require->off)) {
        return NGX_CONF_OK;
    }
    Facts& facts = *conf.source->facts;
    auto* rules = make<Rules>(cf);
    if (!number_conditions(conf, enforced, facts, *rules)) {
        return conf_error(cf,
                          "\"auth_sigra_require\" is used with more than 64 "
                          "conditions of one database: combine some of them, "
                          "or put them into a function");
    }
    if (!number_attributes(conf, enforced || tells_attributes(conf), facts,
                           *rules)) {
        return conf_error(cf,
                          "\"auth_sigra_attribute\" is used with more than 32 "
                          "expressions of one database");
    }
    if (facts.room() > cache::max_attributes) {
        return conf_error(cf,
                          "\"auth_sigra_attribute\" needs more than 8k for the "
                          "attributes of a session: make their size= smaller");
    }
    conf.rules = rules;
    return NGX_CONF_OK;
}

}  // namespace sigra::nginx
