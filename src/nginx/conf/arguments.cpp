#include "nginx/conf/arguments.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <fstream>

#include "nginx/conf/conf.hpp"

namespace sigra::nginx {

Arguments::Arguments(ngx_conf_t* cf, ngx_uint_t first) : cf_(cf) {
    for (ngx_uint_t i = first; i < cf->args->nelts; i++) {
        rest_.push_back(word(i));
    }
}

std::string_view Arguments::word(ngx_uint_t index) const {
    return view(static_cast<ngx_str_t*>(cf_->args->elts)[index]);
}

std::optional<std::string_view> Arguments::take(std::string_view name) {
    names_.emplace_back(name);
    for (auto it = rest_.begin(); it != rest_.end(); ++it) {
        if (it->size() > name.size() && it->starts_with(name) &&
            (*it)[name.size()] == '=') {
            std::string_view value = it->substr(name.size() + 1);
            rest_.erase(it);
            return value;
        }
    }
    return std::nullopt;
}

void Arguments::fail(std::string message) {
    if (error_.empty()) {
        error_ = std::move(message);
    }
}

void Arguments::check_sql(std::string_view sql) {
    constexpr std::string_view blanks = " \t\r\n";
    const std::size_t last = sql.find_last_not_of(blanks);
    if (last == std::string_view::npos) {
        fail(
            "the SQL is empty, it must be on the users row \"u\" like "
            "\"u.role = 'admin'\"");
    } else if (sql[last] == ';') {
        // In a string literal it would not be the last character.
        fail("the SQL becomes part of a statement: leave out its last \";\"");
    }
}

void Arguments::bad_value(std::string_view name, std::string_view value,
                          std::string_view wanted) {
    fail("invalid value \"" + std::string(value) + "\" of \"" +
         std::string(name) + "\", it must be " + std::string(wanted));
}

std::optional<std::string> Arguments::text(std::string_view name) {
    auto value = take(name);
    if (value && value->empty()) {
        bad_value(name, "", "a text that is not empty");
        return std::nullopt;
    }
    return value ? std::optional<std::string>(*value) : std::nullopt;
}

std::optional<std::int64_t> Arguments::number(std::string_view name,
                                              std::int64_t min,
                                              std::int64_t max) {
    auto value = take(name);
    if (!value) {
        return std::nullopt;
    }
    std::int64_t n = 0;
    const char* end = value->data() + value->size();
    auto [rest, error] = std::from_chars(value->data(), end, n);
    if (error != std::errc() || rest != end || n < min || n > max) {
        bad_value(name, *value,
                  "a number from " + std::to_string(min) + " to " +
                      std::to_string(max));
        return std::nullopt;
    }
    return n;
}

std::optional<std::int64_t> Arguments::time(std::string_view name,
                                            bool is_sec) {
    auto value = take(name);
    if (!value) {
        return std::nullopt;
    }
    ngx_str_t s = as_ngx_str(*value);
    ngx_int_t t = ngx_parse_time(&s, is_sec ? 1 : 0);
    if (t == NGX_ERROR || t == 0 ||
        t > (is_sec ? century_s : century_s * 1000)) {
        bad_value(name, *value, "a time above zero like \"2s\" or \"60d\"");
        return std::nullopt;
    }
    return t;
}

std::optional<std::int64_t> Arguments::seconds(std::string_view name) {
    return time(name, true);
}

std::optional<std::int64_t> Arguments::milliseconds(std::string_view name) {
    return time(name, false);
}

std::optional<bool> Arguments::flag(std::string_view name) {
    auto value = take(name);
    if (!value) {
        return std::nullopt;
    }
    if (*value != "on" && *value != "off") {
        bad_value(name, *value, "\"on\" or \"off\"");
        return std::nullopt;
    }
    return *value == "on";
}

char* Arguments::finish() {
    std::string hint;
    if (expected_.empty() &&
        std::find(rest_.begin(), rest_.end(), "=") != rest_.end()) {
        error_ = "a \"=\" by itself, it must be written NAME=VALUE";
    }
    if (error_.empty() && !rest_.empty()) {
        error_ = "invalid parameter \"" + std::string(rest_.front()) + "\"";
        hint = this->hint();
    }
    if (!error_.empty()) {
        return conf_error(cf_, error_ + " in \"" + std::string(word(0)) +
                                   "\" directive" + hint);
    }
    return NGX_CONF_OK;
}

namespace {

// Whether a module has a directive of that name. Then the ";" before it was
// most likely forgotten.
bool is_directive(const ngx_cycle_t& cycle, std::string_view name) {
    for (ngx_uint_t i = 0; cycle.modules[i] != nullptr; i++) {
        const ngx_command_t* command = cycle.modules[i]->commands;
        for (; command != nullptr && command->name.len != 0; command++) {
            if (view(command->name) == name) {
                return true;
            }
        }
    }
    return false;
}

}  // namespace

// The hint for the first unknown parameter.
std::string Arguments::hint() const {
    ngx_uint_t index = 1;
    while (index + 1 < cf_->args->nelts &&
           word(index).data() != rest_.front().data()) {
        index++;
    }
    if (is_directive(*cf_->cycle, rest_.front())) {
        return "; is the \";\" before it missing?";
    }
    const std::string_view before = word(index - 1);
    if (before.find('=') != std::string_view::npos &&
        rest_.front().find('=') == std::string_view::npos) {
        std::string whole =
            std::string(before) + " " + std::string(rest_.front());
        // The quotes of title="My Site" belong around the whole parameter.
        std::erase(whole, '"');
        return "; quote a parameter that has a blank: \"" + whole + "\"";
    }
    const std::string_view name =
        rest_.front().substr(0, rest_.front().find('='));
    if (name != rest_.front() &&
        std::find(names_.begin(), names_.end(), name) != names_.end()) {
        return "; it is given twice";
    }
    if (!expected_.empty()) {
        return "; " + expected_;
    }
    if (names_.empty()) {
        return before == "off" ? "; \"off\" takes no parameter" : "";
    }
    return "; " + known_names();
}

std::string Arguments::known_names() const {
    std::string names;
    for (const std::string& name : names_) {
        if (!names.empty()) {
            names += &name == &names_.back() ? " or " : ", ";
        }
        names.append("\"").append(name).append("=\"");
    }
    return "it takes " + names;
}

std::string choices(const ngx_conf_enum_t* values) {
    std::string out;
    for (; values->name.len != 0; values++) {
        if (!out.empty()) {
            out += values[1].name.len == 0 ? " or " : ", ";
        }
        out.append("\"").append(view(values->name)).append("\"");
    }
    return out;
}

namespace {

std::optional<std::string> read_file(ngx_conf_t* cf, std::string_view path,
                                     std::string& error) {
    ngx_str_t full = copy(cf->pool, path);
    if (full.data == nullptr ||
        ngx_conf_full_name(cf->cycle, &full, 1) != NGX_OK) {
        error = "out of memory";
        return std::nullopt;
    }
    std::string name(view(full));
    std::ifstream file(name, std::ios::binary);
    if (!file) {
        error = "cannot open \"" + name + "\" (" + std::strerror(errno) + ")";
        return std::nullopt;
    }
    std::string text;
    std::array<char, 4096> part;
    do {
        file.read(part.data(), part.size());
        text.append(part.data(), static_cast<std::size_t>(file.gcount()));
    } while (file);
    if (file.bad()) {
        error = "cannot read \"" + name + "\" (" + std::strerror(errno) + ")";
        return std::nullopt;
    }
    if (text.ends_with('\n')) {
        text.pop_back();
    }
    if (text.ends_with('\r')) {
        text.pop_back();
    }
    if (text.empty()) {
        error = "\"" + name + "\" is empty";
        return std::nullopt;
    }
    return text;
}

}  // namespace

std::optional<std::string> read_indirect(ngx_conf_t* cf, std::string_view word,
                                         bool allow_env, std::string& error) {
    constexpr std::string_view file = "file:";
    constexpr std::string_view env = "env:";
    if (word.starts_with(file)) {
        return read_file(cf, word.substr(file.size()), error);
    }
    if (allow_env && word.starts_with(env)) {
        std::string name(word.substr(env.size()));
        const char* value = std::getenv(name.c_str());
        if (value == nullptr || *value == '\0') {
            error = "the environment variable \"" + name +
                    "\" is not set (every \"nginx -t\" and \"nginx -s\" "
                    "needs it too; file:PATH works from any shell)";
            return std::nullopt;
        }
        return std::string(value);
    }
    return std::string(word);
}

}  // namespace sigra::nginx
