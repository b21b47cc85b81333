// The arguments of a directive: first those that go by their position, then
// parameters of the form name=value.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "nginx/ngx.hpp"

namespace sigra::nginx {

// The longest time that a directive accepts, so that sums with it do not
// overflow.
inline constexpr ngx_int_t century_s = ngx_int_t{100} * 366 * 86400;

class Arguments {
  public:
    // Words from `first` on are parameters; those before are the caller's.
    Arguments(ngx_conf_t* cf, ngx_uint_t first);

    [[nodiscard]] std::string_view word(ngx_uint_t index) const;

    // Take a parameter; nullopt where it is not given. An invalid value is kept
    // as the error for finish().
    std::optional<std::string> text(std::string_view name);
    std::optional<std::int64_t> number(std::string_view name, std::int64_t min,
                                       std::int64_t max);
    std::optional<std::int64_t> seconds(std::string_view name);
    std::optional<std::int64_t> milliseconds(std::string_view name);
    std::optional<bool> flag(std::string_view name);  // on or off

    void fail(std::string message);
    // Fails where the text cannot be SQL on the users row "u".
    void check_sql(std::string_view sql);
    // The hint for an unknown parameter.
    void expected(std::string hint) { expected_ = std::move(hint); }

    // Called when all parameters were taken: NGX_CONF_OK, or the first error
    // (an unknown parameter is one) is logged and NGX_CONF_ERROR returned.
    [[nodiscard]] char* finish();

  private:
    std::optional<std::string_view> take(std::string_view name);
    void bad_value(std::string_view name, std::string_view value,
                   std::string_view wanted);
    std::optional<std::int64_t> time(std::string_view name, bool is_sec);
    [[nodiscard]] std::string hint() const;
    // The parameters that were asked for: `it takes "a=" or "b="`.
    [[nodiscard]] std::string known_names() const;

    ngx_conf_t* cf_;
    std::vector<std::string_view> rest_;
    std::vector<std::string> names_;  // of the parameters that were asked for
    std::string error_;
    std::string expected_;
};

// The values of a keyword directive, from nginx's own table: `"a", "b" or "c"`.
[[nodiscard]] std::string choices(const ngx_conf_enum_t* values);

// The text of `file:PATH` (relative to nginx's prefix for configurations, one
// trailing line end cut) or `env:NAME`, else the word itself. nullopt: `error`
// says why.
std::optional<std::string> read_indirect(ngx_conf_t* cf, std::string_view word,
                                         bool allow_env, std::string& error);

}  // namespace sigra::nginx
