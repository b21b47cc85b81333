// The setter of auth_sigra_messages.
#include <algorithm>

#include "nginx/conf/arguments.hpp"
#include "nginx/conf/directives.hpp"
#include "nginx/conf/setter.hpp"
#include "phoenix/encoding.hpp"

namespace sigra::nginx {
namespace {

// Only a warning, because a later version of the module may have texts that
// today's file lacks.
void warn_of_missing(ngx_conf_t* cf, const ngx_str_t& path,
                     const std::vector<std::string>& missing) {
    std::string names;
    for (const std::string& name : missing) {
        names += (names.empty() ? "\"" : ", \"") + name + '"';
    }
    if (!missing.empty()) {
        ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                           "auth_sigra_messages: \"%V\" lacks %s: English is "
                           "used",
                           &path, names.c_str());
    }
}

// LANG=PATH. nullopt: `arguments` have the error.
std::optional<phoenix::Messages> read_language(ngx_conf_t* cf,
                                               Arguments& arguments,
                                               std::string_view word) {
    const std::size_t equals = std::min(word.find('='), word.size());
    const std::string_view lang = word.substr(0, equals);
    ngx_str_t path =
        copy(cf->pool, word.substr(std::min(equals + 1, word.size())));
    if (!phoenix::is_language(lang) || path.len == 0) {
        arguments.fail("invalid parameter \"" + std::string(word) +
                       "\", it must be a language and a file, like "
                       "\"de=messages/de.json\",");
        return std::nullopt;
    }
    std::string error;
    const auto text = read_indirect(cf, "file:" + std::string(view(path)),
                                    /*allow_env=*/false, error);
    if (!text || ngx_conf_full_name(cf->cycle, &path, 1) != NGX_OK) {
        arguments.fail(error);
        return std::nullopt;
    }
    auto read = phoenix::read_messages(*text, lang);
    if (const auto* wrong = std::get_if<phoenix::MessagesError>(&read)) {
        arguments.fail(std::string(view(path)) + ":" +
                       std::to_string(wrong->line) + ": " + wrong->problem +
                       ",");
        return std::nullopt;
    }
    auto& file = std::get<phoenix::MessagesFile>(read);
    warn_of_missing(cf, path, file.missing);
    return std::move(file.messages);
}

}  // namespace

char* set_messages(ngx_conf_t* cf, ngx_command_t*, void* conf) noexcept {
    return setter(cf, [&]() -> char* {
        if (location(conf).messages != nullptr) {
            return const_cast<char*>(is_duplicate);
        }
        // No name=value parameters: the loop reads all words.
        Arguments arguments(cf, cf->args->nelts);
        MessagesList list;
        for (ngx_uint_t i = 1; i < cf->args->nelts; i++) {
            auto messages = read_language(cf, arguments, arguments.word(i));
            if (!messages) {
                return arguments.finish();
            }
            const auto same = [&](const phoenix::Messages& other) {
                return phoenix::equal_ignoring_case(other.lang, messages->lang);
            };
            if (std::ranges::any_of(list, same)) {
                arguments.fail("the language \"" + messages->lang +
                               "\" is given twice");
                return arguments.finish();
            }
            list.push_back(*std::move(messages));
        }
        location(conf).messages = make(cf, std::move(list));
        return arguments.finish();
    });
}

}  // namespace sigra::nginx
