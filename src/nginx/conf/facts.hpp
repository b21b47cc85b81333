// auth_sigra_require and auth_sigra_attribute: what locations ask of a user
// beside who it is. Conditions and attributes are numbered by source, so that
// one lookup answers all of them, whichever location asks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "nginx/ngx.hpp"

namespace sigra::nginx {

struct LocationConf;

// What all locations of one source ask. Its order is the layout's, and so the
// bits'.
struct Facts {
    struct Attribute {
        std::string expression;
        std::size_t size;  // that a zone's cell keeps room for
    };
    std::vector<std::string> conditions;
    std::vector<Attribute> attributes;

    [[nodiscard]] bool empty() const {
        return conditions.empty() && attributes.empty();
    }
    // Bytes that the attributes take in a zone's cell.
    [[nodiscard]] std::size_t room() const;
};

// As one level says it.
struct Requirements {
    std::vector<std::string> conditions;
    std::vector<ngx_int_t> variables;  // that must be neither empty nor "0"
    bool off = false;
};
struct AttributeSetting {
    std::string name;    // lower case, as in the variable
    std::string header;  // X-Auth-...
    std::string expression;
    std::size_t size = 64;
};
using AttributeSettings = std::vector<AttributeSetting>;

// The same with the source's numbers.
struct Rules {
    // All of these must hold, and all of these be known: none where a request
    // passes either way.
    std::uint64_t conditions = 0;
    std::uint32_t attributes = 0;
    std::vector<ngx_int_t> variables;

    const AttributeSettings* settings = nullptr;
    std::vector<std::size_t> numbers;  // of each setting

    // The number; none: there is no such attribute here.
    [[nodiscard]] const std::size_t* find(std::string_view name) const;
};

char* set_require(ngx_conf_t* cf, ngx_command_t* cmd, void* conf) noexcept;
char* set_attribute(ngx_conf_t* cf, ngx_command_t* cmd, void* conf) noexcept;

// The location's rules, once its source is known. NGX_CONF_OK, or the error is
// logged.
[[nodiscard]] char* compile_rules(ngx_conf_t* cf, LocationConf& conf);

}  // namespace sigra::nginx
