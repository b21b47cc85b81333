// auth_sigra_require and auth_sigra_attribute. All conditions and attributes on
// the same users table are numbered together, so that one lookup evaluates them
// for whichever location asks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "nginx/ngx.hpp"

namespace sigra::nginx {

struct LocationConf;

// What all locations with the same users table ask for. The layout's lists and
// the bits of a result are in this order.
struct Facts {
    struct Attribute {
        std::string expression;
        std::size_t size;  // bytes reserved for it in a zone's cell
    };
    std::vector<std::string> conditions;
    std::vector<Attribute> attributes;

    [[nodiscard]] bool empty() const {
        return conditions.empty() && attributes.empty();
    }
    // Bytes that the attributes take in a zone's cell.
    [[nodiscard]] std::size_t room() const;
};

// The auth_sigra_require directives of one level.
struct Requirements {
    std::vector<std::string> conditions;
    std::vector<ngx_int_t> variables;  // indexes; none may be empty or mean no
    bool off = false;
};
struct AttributeSetting {
    std::string name;    // lower case, as in the variable
    std::string header;  // X-Auth-...
    std::string expression;
    std::size_t size = 64;
};
using AttributeSettings = std::vector<AttributeSetting>;

// What a location requires and shows, by the numbers in Facts.
struct Rules {
    // A bit for each condition that must hold and for each attribute that must
    // be known; zero where requests pass either way.
    std::uint64_t conditions = 0;
    std::uint32_t attributes = 0;
    std::vector<ngx_int_t> variables;

    const AttributeSettings* settings = nullptr;
    std::vector<std::size_t> numbers;  // of each attribute in `settings`

    // The attribute's number; null: the location has no such attribute.
    [[nodiscard]] const std::size_t* find(std::string_view name) const;
};

char* set_require(ngx_conf_t* cf, ngx_command_t* cmd, void* conf) noexcept;
char* set_attribute(ngx_conf_t* cf, ngx_command_t* cmd, void* conf) noexcept;

// Sets the location's rules; its source must be known. NGX_CONF_OK, or the
// error is logged.
[[nodiscard]] char* compile_rules(ngx_conf_t* cf, LocationConf& conf);

}  // namespace sigra::nginx
