#include "phoenix/login_page.hpp"

#include <vector>

#include "phoenix/crypto.hpp"
#include "phoenix/encoding.hpp"
#include "unit.hpp"

using namespace sigra::phoenix;
using namespace sigra::unit;

namespace {

struct Escaped {
    std::string text;
    std::string_view expected;
};

const Escaped texts[] = {
    {"", ""},
    {"plain", "plain"},
    {"a b", "a b"},
    {"&<>\"'", "&amp;&lt;&gt;&quot;&#39;"},
    {"&amp;", "&amp;amp;"},
    {"</style><script>", "&lt;/style&gt;&lt;script&gt;"},
    {"\" onfocus=\"x", "&quot; onfocus=&quot;x"},
    {bytes("a\0b\x01\x1f\x7f"), "ab"},
    {"a\r\n\t\v\fb", "ab"},
    {"\xc3\xbc \xe2\x82\xac \xf0\x9f\x99\x82",
     "\xc3\xbc \xe2\x82\xac \xf0\x9f\x99\x82"},
    // U+0080 and U+009F are dropped, U+00A0 is kept.
    {"a\xc2\x80\xc2\x9f\xc2\xa0z", "a\xc2\xa0z"},
    {"\xc2", "\xc2"},
    {"\xc2\"", "\xc2&quot;"},
    {"\xc3<", "\xc3&lt;"},
};

void escapes(void**) {
    for (const Escaped& row : texts)
        check_bytes(escape_html(row.text), row.expected, row.text);
}

// A minimal HTML parser to read back what was written: text between tags, and
// tags with a name and attributes with quoted values.
struct Element {
    std::string name;  // with the slash of an end tag
    std::vector<std::pair<std::string, std::string>> attributes;

    std::optional<std::string_view> attribute(std::string_view wanted) const {
        for (const auto& [key, value] : attributes)
            if (key == wanted)
                return value;
        return std::nullopt;
    }
};

std::string unescaped(std::string_view text) {
    constexpr std::pair<std::string_view, char> references[] = {
        {"&amp;", '&'},
        {"&lt;", '<'},
        {"&gt;", '>'},
        {"&quot;", '"'},
        {"&#39;", '\''}};
    std::string out;
    while (!text.empty()) {
        if (text.front() != '&') {
            out += text.front();
            text.remove_prefix(1);
            continue;
        }
        bool known = false;
        for (const auto& [reference, c] : references) {
            if (text.starts_with(reference)) {
                out += c;
                text.remove_prefix(reference.size());
                known = true;
                break;
            }
        }
        check(known, text.substr(0, 10));
        if (!known)
            return out;
    }
    return out;
}

Element read_tag(std::string_view tag) {
    Element out;
    auto end = tag.find(' ');
    out.name = tag.substr(0, end);
    while (end != std::string_view::npos) {
        tag.remove_prefix(end + 1);
        end = tag.find_first_of(" =");
        const std::string key(tag.substr(0, end));
        if (end == std::string_view::npos || tag[end] == ' ') {
            out.attributes.emplace_back(key, "");
            continue;
        }
        check(tag.substr(end, 2) == "=\"", tag);
        tag.remove_prefix(end + 2);
        end = tag.find('"');
        check(end != std::string_view::npos, tag);
        out.attributes.emplace_back(key, unescaped(tag.substr(0, end)));
        tag.remove_prefix(end + 1);
        end = tag.empty() ? std::string_view::npos : 0;
        check(tag.empty() || tag.front() == ' ', tag);
    }
    return out;
}

struct Document {
    std::vector<Element> elements;
    std::vector<std::string> texts;  // before each element, and at the end
    std::string style;               // verbatim
};

Document read_document(std::string_view html) {
    constexpr std::string_view doctype = "<!doctype html>\n";
    check(html.starts_with(doctype), html.substr(0, 20));
    html.remove_prefix(doctype.size());
    Document out;
    for (;;) {
        const auto open = html.find('<');
        const auto text = html.substr(0, open);
        if (!out.elements.empty() && out.elements.back().name == "style")
            out.style = text;
        else
            check(text.find('>') == std::string_view::npos, text);
        out.texts.push_back(unescaped(text));
        if (open == std::string_view::npos)
            return out;
        const auto close = html.find('>', open);
        check(close != std::string_view::npos, html.substr(open));
        out.elements.push_back(
            read_tag(html.substr(open + 1, close - open - 1)));
        html.remove_prefix(close + 1);
    }
}

// All elements that are not void are closed, in the right order.
void check_nesting(const Document& document) {
    std::vector<std::string> open;
    for (const Element& element : document.elements) {
        if (element.name == "meta" || element.name == "input" ||
            element.name == "img")
            continue;
        if (!element.name.starts_with('/')) {
            open.push_back(element.name);
            continue;
        }
        check(!open.empty() && "/" + open.back() == element.name, element.name);
        if (!open.empty())
            open.pop_back();
    }
    check(open.empty(), "everything is closed");
}

std::vector<const Element*> named(const Document& document,
                                  std::string_view name) {
    std::vector<const Element*> out;
    for (const Element& element : document.elements)
        if (element.attribute("name") == name)
            out.push_back(&element);
    return out;
}

bool has_text(const Document& document, std::string_view text) {
    for (const std::string& each : document.texts)
        if (each == text)
            return true;
    return false;
}

const Element* with_role(const Document& document, std::string_view role) {
    for (const Element& element : document.elements)
        if (element.attribute("role") == role)
            return &element;
    return nullptr;
}

const Element& only(const Document& document, std::string_view name) {
    static const Element none{};
    const auto found = named(document, name);
    check(found.size() == 1, name);
    return found.size() == 1 ? *found.front() : none;
}

void renders_the_form(void**) {
    LoginPage page;
    page.csrf_token = "token";
    const Document document = read_document(render_login_page(page));
    check_nesting(document);
    check(has_text(document, "Log in"));
    check_bytes(only(document, "_csrf_token").attribute("value"), "token");
    check_bytes(only(document, "_csrf_token").attribute("type"), "hidden");

    const Element& email = only(document, "user[email]");
    check_bytes(email.attribute("type"), "text");
    check_bytes(email.attribute("inputmode"), "email");
    check_bytes(email.attribute("autocomplete"), "username");
    check_bytes(email.attribute("value"), "");
    check(email.attribute("required") && email.attribute("autofocus"));
    check(!email.attribute("readonly"));

    const Element& password = only(document, "user[password]");
    check_bytes(password.attribute("type"), "password");
    check_bytes(password.attribute("autocomplete"), "current-password");
    check(password.attribute("required") && !password.attribute("autofocus"));
    check(!password.attribute("value"));

    const auto remember = named(document, "user[remember_me]");
    check(remember.size() == 2, "remember_me");
    check_bytes(remember.front()->attribute("type"), "hidden");
    check_bytes(remember.front()->attribute("value"), "false");
    check_bytes(remember.back()->attribute("type"), "checkbox");
    check_bytes(remember.back()->attribute("value"), "true");

    check(!with_role(document, "alert") && !with_role(document, "status"));
    for (const Element& element : document.elements) {
        check(element.name != "script" && element.name != "link");
        if (element.name == "form") {
            check_bytes(element.attribute("method"), "post");
            check(!element.attribute("action"), "its own URL");
        }
        // A label refers to exactly one field.
        if (auto label = element.attribute("for")) {
            std::size_t fields = 0;
            for (const Element& field : document.elements)
                fields += field.attribute("id") == label ? 1 : 0;
            check(fields == 1, *label);
        }
    }
}

void follows_the_configuration(void**) {
    LoginPage page;
    page.singular = "admin";
    page.remember_me = false;
    const Document document = read_document(render_login_page(page));
    check_nesting(document);
    (void)only(document, "admin[email]");
    (void)only(document, "admin[password]");
    check(named(document, "admin[remember_me]").empty());
    check(named(document, "user[email]").empty());
}

void keeps_the_email(void**) {
    LoginPage page;
    page.email = "a@b.example";
    const Document document = read_document(render_login_page(page));
    check_bytes(only(document, "user[email]").attribute("value"),
                "a@b.example");
    check(!only(document, "user[email]").attribute("autofocus"));
    check(only(document, "user[password]").attribute("autofocus").has_value());
}

void asks_for_a_confirmation(void**) {
    LoginPage page;
    page.email = "a@b.example";
    page.confirm = true;
    const Document document = read_document(render_login_page(page));
    check_nesting(document);
    check(has_text(document, "Confirm your password"));
    check(!has_text(document, "Log in"));
    const Element& email = only(document, "user[email]");
    check_bytes(email.attribute("value"), "a@b.example");
    check(email.attribute("readonly").has_value());
    check(named(document, "user[remember_me]").empty());
    check(only(document, "user[password]").attribute("autofocus").has_value());
}

// Each value is read back unchanged, wherever it is used.
void loses_and_lets_through_nothing(void**) {
    const std::string hostile[] = {
        "\"><script>alert(1)</script>",
        "' autofocus onfocus='alert(1)",
        "</p></main><form action=\"https://evil\">",
        "<!--",
        "]]>",
        "&lt;b&gt; &amp;amp; &quot",
        "</style>",
        "$auth_sigra_email ${x}",
        std::string(160, '<'),
    };
    for (const std::string& text : hostile) {
        LoginPage page;
        page.csrf_token = page.flash_info = page.flash_error = page.email =
            page.singular = text;
        page.title = page.logo = page.reset = page.registration = text;
        page.link = true;
        const std::string html = render_login_page(page);
        const Document document = read_document(html);
        check_nesting(document);
        LoginPage harmless;
        harmless.csrf_token = harmless.flash_info = harmless.flash_error =
            harmless.email = "x";
        harmless.title = harmless.logo = harmless.reset =
            harmless.registration = "x";
        harmless.link = true;
        check(document.elements.size() ==
                  read_document(render_login_page(harmless)).elements.size(),
              text);
        for (const auto& name :
             {std::string("_csrf_token"), text + "[email]"}) {
            const auto fields = named(document, name);
            check(fields.size() == 2, "one in each form");
            for (const Element* field : fields)
                check_bytes(field->attribute("value"), text);
        }
        check(has_text(document, text), text);
        check(with_role(document, "alert") && with_role(document, "status"));
    }
}

void says_its_policy(void**) {
    const Document document = read_document(render_login_page({}));
    check(document.style.find("</") == std::string::npos);
    const Sha256 digest = sha256(document.style);
    std::string hash = base64url_encode_padded({digest.data(), digest.size()});
    for (char& c : hash)
        c = c == '-' ? '+' : c == '_' ? '/' : c;
    const std::string front =
        "default-src 'none'; style-src 'sha256-" + hash + "'; form-action ";
    const std::string back = "; base-uri 'none'; frame-ancestors 'none'";
    check_bytes(login_page_policy({}), front + "'self'" + back);
    check_bytes(login_page_policy({"/", "/welcome?a=://b"}),
                front + "'self'" + back);
    check_bytes(
        login_page_policy({"https://App.example.com/welcome?a",
                           "http://[::1]:81", "https://a; script-src *",
                           "https://b'self'/"}),
        front + "'self' https://app.example.com:443 http://[::1]:81" + back);
}

}  // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(escapes),
        cmocka_unit_test(renders_the_form),
        cmocka_unit_test(follows_the_configuration),
        cmocka_unit_test(keeps_the_email),
        cmocka_unit_test(asks_for_a_confirmation),
        cmocka_unit_test(loses_and_lets_through_nothing),
        cmocka_unit_test(says_its_policy),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
