// The body of a login: the first byte chooses urlencoded, JSON or multipart.
// What is read is bounded, and the same that simple, slow readers read.
#include "phoenix/form.hpp"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "fuzz.hpp"
#include "phoenix/multipart.hpp"

namespace {

using namespace sigra::phoenix;
using sigra::fuzz::require;
using Fields = std::map<std::string, std::string>;

int digit_of(char c) {
    const auto at =
        std::string_view("0123456789abcdef")
            .find(static_cast<char>(c >= 'A' && c <= 'F' ? c + 32 : c));
    return at == std::string_view::npos ? -1 : static_cast<int>(at);
}

std::optional<std::string> decoded(std::string_view text) {
    std::string out;
    while (!text.empty()) {
        char c = text[0];
        std::size_t used = 1;
        if (c == '%') {
            if (text.size() < 3 || digit_of(text[1]) < 0 ||
                digit_of(text[2]) < 0)
                return std::nullopt;
            c = static_cast<char>(digit_of(text[1]) * 16 + digit_of(text[2]));
            used = 3;
        } else if (c == '+') {
            c = ' ';
        }
        out += c;
        text.remove_prefix(used);
    }
    return out;
}

// The last value of a field, whose name may be wrapped in `user[…]`.
std::optional<Fields> slow_fields(std::string_view body) {
    Fields fields;
    body = body.substr(0, body.size());
    std::size_t at = 0;
    while (at <= body.size()) {
        const auto end = std::min(body.find('&', at), body.size());
        const auto pair = body.substr(at, end - at);
        at = end + 1;
        if (pair.empty())
            continue;
        const auto equals = pair.find('=');
        auto name = decoded(pair.substr(0, equals));
        const auto value =
            decoded(equals == pair.npos ? "" : pair.substr(equals + 1));
        if (!name || !value)
            return std::nullopt;
        for (const char* inner : {"email", "password", "remember_me"})
            if (*name == std::string("user[") + inner + "]")
                name = inner;
        fields[*name] = *value;
    }
    return fields;
}

std::optional<std::string> trimmed(std::optional<std::string> text) {
    const auto is_blank = [](char c) {
        return c == ' ' || c == '\t' || c == '\n' || c == '\f' || c == '\r';
    };
    while (text && !text->empty() && is_blank(text->back()))
        text->pop_back();
    while (text && !text->empty() && is_blank(text->front()))
        text->erase(0, 1);
    return text;
}

// Not longer than the input, and without any of a delimiter.
void check_multipart(const LoginForm& form, std::string_view body) {
    require(body.starts_with("--B") && body.find("--B--") != body.npos,
            "it begins and ends as it must");
    for (const auto& text :
         {form.email.value_or(""), form.csrf_token, form.method,
          std::string(form.password ? form.password->view()
                                    : std::string_view())}) {
        require(body.find(text) != body.npos, "a value that is there");
        require(text.find("\r\n--B") == text.npos, "no delimiter in it");
    }
}

void check_urlencoded(const LoginForm& form, std::string_view body) {
    const auto fields = slow_fields(body);
    require(fields.has_value(), "a well-formed body");
    const auto field = [&](const char* name) -> std::optional<std::string> {
        const auto found = fields->find(name);
        return found == fields->end() ? std::nullopt
                                      : std::optional(found->second);
    };
    require(form.email == trimmed(field("email")), "the email");
    const auto password = field("password");
    require(form.password.has_value() == password.has_value() &&
                (!password || form.password->view() == *password),
            "the password");
    require(form.remember_me == (field("remember_me") == "true"),
            "whether the user is to be remembered");
    require(form.csrf_token == field("_csrf_token").value_or(""), "the token");
    require(form.method == field("_method").value_or(""), "the method");
}

void check_json(const LoginForm& form, std::string_view body) {
    const auto tree = nlohmann::json::parse(body, nullptr, false);
    require(tree.is_object(), "a JSON object");
    if (tree.contains("user"))
        require(tree["user"].is_object(), "the fields are in an object");
    const auto is_text = [](const nlohmann::json& value) {
        return value.is_string() || value.is_boolean() || value.is_null();
    };
    for (const char* name : {"email", "password", "_csrf_token", "_method"})
        if (tree.contains(name))
            require(is_text(tree[name]), "a field is a text");
    if (form.email)
        require(body.find("email") != body.npos || body.find('\\') != body.npos,
                "an email that is there");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
    if (size == 0)
        return sigra::fuzz::not_for_the_corpus;
    constexpr FormType types[] = {FormType::urlencoded, FormType::json,
                                  FormType::multipart};
    const auto type = types[data[0] % 3];
    const auto body = sigra::fuzz::text_of(data + 1, size - 1);
    (void)form_type_of(body);
    (void)multipart_boundary(body);
    const auto read =
        read_form(body, type, "user", "multipart/form-data; boundary=B");
    if (const auto* error = std::get_if<FormError>(&read)) {
        require(
            (*error == FormError::too_large) == (body.size() > max_form_size),
            "too large where it is");
        return sigra::fuzz::accepted;
    }
    const auto& form = std::get<LoginForm>(read);
    const auto read_bytes = (form.email ? form.email->size() : 0) +
                            (form.password ? form.password->view().size() : 0) +
                            form.csrf_token.size() + form.method.size();
    require(read_bytes <= body.size(), "no more than there was");
    switch (type) {
        case FormType::json:
            check_json(form, body);
            break;
        case FormType::multipart:
            check_multipart(form, body);
            break;
        case FormType::urlencoded:
            check_urlencoded(form, body);
            break;
    }
    return sigra::fuzz::accepted;
}
