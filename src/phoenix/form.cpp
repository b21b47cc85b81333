#include "phoenix/form.hpp"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <span>
#include <utility>

#include "phoenix/encoding.hpp"
#include "phoenix/multipart.hpp"
#include "phoenix/percent.hpp"

namespace sigra::phoenix {
namespace {

enum class Field {
    email,
    password,
    remember_me,
    csrf_token,
    method,
    return_to
};

struct Name {
    std::string_view text;
    Field field;
};

// These are read with and without the schema's singular around them
// (`user[email]`, `email`); the others only without it.
constexpr std::array<Name, 3> user_names{{
    {"email", Field::email},
    {"password", Field::password},
    {"remember_me", Field::remember_me},
}};
constexpr std::array<Name, 3> plain_names{{
    {"_csrf_token", Field::csrf_token},
    {"_method", Field::method},
    {"return_to", Field::return_to},
}};

std::optional<Field> find_name(std::span<const Name> names,
                               std::string_view text) {
    const auto found = std::ranges::find(names, text, &Name::text);
    return found == names.end() ? std::nullopt : std::optional(found->field);
}

std::optional<Field> outer_field(std::string_view name) {
    const auto plain = find_name(plain_names, name);
    return plain ? plain : find_name(user_names, name);
}

// `user[email]` or an outer field's name.
std::optional<Field> bracketed_field(std::string_view name,
                                     std::string_view singular) {
    if (!name.ends_with(']'))
        return outer_field(name);
    if (!name.starts_with(singular) || name.substr(singular.size(), 1) != "[")
        return std::nullopt;
    name.remove_prefix(singular.size() + 1);
    name.remove_suffix(1);
    return find_name(user_names, name);
}

// Strips what HTML strips from an email field: people paste addresses with
// spaces or line ends around them.
std::string_view without_blanks(std::string_view text) {
    constexpr std::string_view blanks = " \t\n\f\r";
    const auto begin = text.find_first_not_of(blanks);
    if (begin == text.npos)
        return {};
    return text.substr(begin, text.find_last_not_of(blanks) - begin + 1);
}

// Wipes `value` in any case, because it may be the password.
void assign(LoginForm& form, Field field, std::string& value) {
    if (field == Field::email) {
        form.ambiguous |= std::exchange(form.has_email, true);
    } else if (field == Field::password) {
        form.ambiguous |= std::exchange(form.has_password, true);
    }
    switch (field) {
        case Field::email:
            form.email = without_blanks(value);
            break;
        case Field::password:
            form.password = Secret(std::move(value));
            break;
        case Field::remember_me:
            form.remember_me = value == "true";
            break;
        case Field::csrf_token:
            form.csrf_token = value;
            break;
        case Field::method:
            form.method = value;
            break;
        case Field::return_to:
            form.return_to = value;
            break;
    }
    wipe(value);
}

void unset(LoginForm& form, Field field) {
    std::string none;
    assign(form, field, none);
    if (field == Field::email)
        form.email.reset();
    if (field == Field::password)
        form.password.reset();
}

bool read_urlencoded(std::string_view body, std::string_view singular,
                     LoginForm& form) {
    for (std::size_t fields = 0; !body.empty();) {
        const auto end = std::min(body.find('&'), body.size());
        const auto pair = body.substr(0, end);
        body.remove_prefix(std::min(end + 1, body.size()));
        if (pair.empty())
            continue;
        const auto equals = std::min(pair.find('='), pair.size());
        const auto name = form_decode(pair.substr(0, equals));
        auto value =
            form_decode(pair.substr(std::min(equals + 1, pair.size())));
        if (!name || !value || ++fields > max_form_fields ||
            std::ranges::count(*name, '[') >
                static_cast<std::ptrdiff_t>(max_form_depth))
            return false;
        if (const auto field = bracketed_field(*name, singular))
            assign(form, *field, *value);
    }
    return true;
}

bool read_multipart(std::string_view body, std::string_view singular,
                    std::string_view boundary, LoginForm& form) {
    MultipartReader reader(body, boundary);
    std::size_t fields = 0;
    while (const auto part = reader.next()) {
        if (++fields > max_form_fields)
            return false;
        const auto field = bracketed_field(part->name, singular);
        if (!field)
            continue;
        if (part->is_file)
            return false;
        std::string value(part->value);
        assign(form, *field, value);
    }
    return reader.is_whole();
}

// Collects the fields from the parser's events, without building a tree.
// Returning false stops the parser.
class JsonFields final : public nlohmann::json_sax<nlohmann::json> {
  public:
    JsonFields(LoginForm& form, std::string_view singular)
        : form_(form), singular_(singular) {}

    bool key(std::string& name) override {
        const bool in_root = depth_ == 1, in_user = in_user_ && depth_ == 2;
        next_is_user_ = in_root && name == singular_;
        next_ = in_user   ? find_name(user_names, name)
                : in_root ? outer_field(name)
                          : std::nullopt;
        return ++fields_ <= max_form_fields;
    }

    bool string(std::string& value) override {
        if (const auto field = std::exchange(next_, std::nullopt))
            assign(form_, *field, value);
        return is_inside();
    }

    bool boolean(bool value) override {
        std::string text = value ? "true" : "false";
        return string(text);
    }

    bool null() override {
        if (const auto field = std::exchange(next_, std::nullopt))
            unset(form_, *field);
        return is_inside();
    }

    bool start_object(std::size_t) override {
        if (next_ || ++depth_ > max_form_depth)
            return false;
        in_user_ = in_user_ || std::exchange(next_is_user_, false);
        return true;
    }

    bool end_object() override {
        --depth_;
        in_user_ = in_user_ && depth_ > 1;
        return true;
    }

    bool start_array(std::size_t) override {
        return is_unknown() && ++depth_ <= max_form_depth;
    }

    bool end_array() override {
        --depth_;
        return true;
    }

    bool number_integer(std::int64_t) override { return is_unknown(); }
    bool number_unsigned(std::uint64_t) override { return is_unknown(); }
    bool number_float(double, const std::string&) override {
        return is_unknown();
    }
    bool binary(nlohmann::json::binary_t&) override { return false; }
    bool parse_error(std::size_t, const std::string&,
                     const nlohmann::json::exception&) override {
        return false;
    }

  private:
    // A string is allowed for any field, but not as the whole document or as
    // the value of the wrapping key.
    bool is_inside() { return depth_ > 0 && !next_is_user_; }
    bool is_unknown() { return is_inside() && !next_; }

    LoginForm& form_;
    std::string_view singular_;
    std::optional<Field> next_;  // the field of the next value
    bool next_is_user_ = false;
    bool in_user_ = false;
    std::size_t depth_ = 0;
    std::size_t fields_ = 0;
};

}  // namespace

std::optional<FormType> form_type_of(std::string_view content_type) {
    auto type = content_type.substr(0, content_type.find(';'));
    type.remove_prefix(std::min(type.find_first_not_of(" \t"), type.size()));
    type = type.substr(0, type.find_last_not_of(" \t") + 1);
    if (equal_ignoring_case(type, "application/x-www-form-urlencoded"))
        return FormType::urlencoded;
    if (equal_ignoring_case(type, "application/json"))
        return FormType::json;
    if (equal_ignoring_case(type, "multipart/form-data"))
        return FormType::multipart;
    return std::nullopt;
}

std::variant<LoginForm, FormError> read_form(std::string_view body,
                                             FormType type,
                                             std::string_view singular,
                                             std::string_view content_type) {
    if (body.size() > max_form_size)
        return FormError::too_large;
    LoginForm form;
    bool read = false;
    switch (type) {
        case FormType::urlencoded:
            read = read_urlencoded(body, singular, form);
            break;
        case FormType::multipart:
            if (const auto boundary = multipart_boundary(content_type))
                read = read_multipart(body, singular, *boundary, form);
            break;
        case FormType::json:
            // The parser would stop at a NUL and ignore what follows.
            if (body.find('\0') == body.npos) {
                JsonFields fields(form, singular);
                read = nlohmann::json::sax_parse(body, &fields);
            }
            break;
    }
    if (!read)
        return FormError::malformed;
    return form;
}

}  // namespace sigra::phoenix
