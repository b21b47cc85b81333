#include "phoenix/form.hpp"

#include <random>

#include "unit.hpp"

using namespace sigra::phoenix;
using namespace sigra::unit;

namespace {

constexpr auto urlencoded = FormType::urlencoded;
constexpr auto json = FormType::json;

// A form as one line, for tables of expected results.
std::string shown_form(std::string_view body, FormType type,
                       std::string_view singular = "user") {
    const auto result = read_form(body, type, singular);
    if (const auto* error = std::get_if<FormError>(&result))
        return *error == FormError::too_large ? "too large" : "malformed";
    const auto& form = std::get<LoginForm>(result);
    std::string out = "email " + form.email.value_or("-");
    out += " password ";
    out += form.password ? form.password->view() : "-";
    out += form.remember_me ? " remember" : "";
    out += form.csrf_token.empty() ? "" : " csrf " + form.csrf_token;
    out += form.method.empty() ? "" : " method " + form.method;
    return out;
}

struct Row {
    std::string body, form;
};

void reads_urlencoded(void**) {
    const Row rows[] = {
        {"", "email - password -"},
        {"&&&", "email - password -"},
        {"email=a@b.c&password=secret", "email a@b.c password secret"},
        {"user%5Bemail%5D=a%40b.c&user%5bpassword%5d=s+e%20c%2Bret",
         "email a@b.c password s e c+ret"},
        {"user[email]=a&user[password]=b&user[remember_me]=true"
         "&_csrf_token=T&_method=delete",
         "email a password b remember csrf T method delete"},
        {"user[remember_me]=false&user[remember_me]=true",
         "email - password - remember"},
        {"user[remember_me]=true&user[remember_me]=false",
         "email - password -"},
        {"remember_me=on", "email - password -"},
        {"remember_me=TRUE", "email - password -"},
        {"email=first&user[email]=second&email=third&password=1&password=2",
         "email third password 2"},
        {"email", "email  password -"},
        {"email=", "email  password -"},
        {"password=", "email - password "},
        {"=x&email=a=b=c", "email a=b=c password -"},
        {"email=a;password=b", "email a;password=b password -"},
        {"%65mail=a", "email a password -"},
        {"Email=a&EMAIL=b&user[Email]=c", "email - password -"},
        {"admin[email]=a&user[email][]=b&user[email=c&useremail]=d",
         "email - password -"},
        {"user[_csrf_token]=x&user[_method]=put", "email - password -"},
        {"xuser[email]=a&user[user][email]=b&[email]=c&user[]=d&user=e",
         "email - password -"},
        {"email=+a%40b.c%0A&password=+b+", "email a@b.c password  b "},
        {"email=%20%09%0d%0a&password=", "email  password "},
        {"email=%c2%a0a%c2%a0",
         "email \xc2\xa0"
         "a\xc2\xa0 password -"},
        {"password=a%00b", bytes("email - password a\0b")},
        {"email=%ff%fe", "email \xff\xfe password -"},
        {"password=\xc3\xa9", "email - password \xc3\xa9"},
        {"other=%41&x[y][z]=1&email=a", "email a password -"},
        {"email=%0d%0aSet-Cookie:x", "email Set-Cookie:x password -"},
    };
    for (const auto& row : rows)
        check_bytes(shown_form(row.body, urlencoded), row.form, row.body);
}

void refuses_bad_escapes(void**) {
    for (const char* body :
         {"email=%", "email=%4", "email=%zz", "email=%4g", "email=a%", "%=a",
          "other=%", "x%4=a", "email=a&password=b&c=%%", "email=% 41"})
        check_bytes(shown_form(body, urlencoded), "malformed", body);
}

void reads_json(void**) {
    const Row rows[] = {
        {"{}", "email - password -"},
        {R"({"email":"a@b.c","password":"secret"})",
         "email a@b.c password secret"},
        {R"( {"user": {"email":"a","password":"b","remember_me":true},
            "_csrf_token":"T","_method":"delete"} )",
         "email a password b remember csrf T method delete"},
        {R"({"remember_me":"true"})", "email - password - remember"},
        {R"({"remember_me":true,"user":{"remember_me":false}})",
         "email - password -"},
        {R"({"remember_me":"yes"})", "email - password -"},
        {R"({"email":true,"password":false})", "email true password false"},
        {R"({"email":"a","email":"b","user":{"email":"c","email":"d"}})",
         "email d password -"},
        {R"({"user":{"email":"d"},"email":"a"})", "email a password -"},
        {R"({"email":"a","email":null})", "email - password -"},
        {R"({"password":"a","password":null})", "email - password -"},
        {R"({"remember_me":true,"remember_me":null})", "email - password -"},
        {R"({"password":"a\u0000b\n\"\\\u00e9"})",
         bytes("email - password a\0b\n\"\\\xc3\xa9")},
        {R"({"x":{"email":"a"},"y":[{"email":"b"}],"z":[["c"]],"email":"d"})",
         "email d password -"},
        {R"({"user":{"x":{"email":"a"},"y":[{"password":"b"}],"email":"c"},)"
         R"("w":{"email":"e"}})",
         "email c password -"},
        {R"({"user":{"x":{}},"w":{"email":"e"}})", "email - password -"},
        {R"({"user":{},"w":{"email":"e"}})", "email - password -"},
        {R"({"admin":{"email":"a"},"Email":"b"})", "email - password -"},
        {R"({"user":{"_csrf_token":"T"}})", "email - password -"},
        {R"({"n":1,"m":-1.5e3,"b":true,"v":null})", "email - password -"},
        {R"({"user[email]":"a"})", "email - password -"},
        {R"({"email":" a b\n","password":" c "})", "email a b password  c "},
    };
    for (const auto& row : rows)
        check_bytes(shown_form(row.body, json), row.form, row.body);
}

void refuses_bad_json(void**) {
    const std::string refused[] = {
        "",
        " ",
        "null",
        "true",
        "1",
        "\"email\"",
        "[]",
        R"([{"email":"a"}])",
        "{",
        "}",
        R"({"email")",
        R"({"email":)",
        R"({"email":"a")",
        R"({"email":"a"}})",
        R"({"email":"a"} x)",
        R"({"email":"a",})",
        R"({'email':'a'})",
        R"({"email":"a"}{"email":"b"})",
        R"({"email":1})",
        R"({"password":12345})",
        R"({"password":1.5})",
        R"({"password":-1})",
        R"({"email":["a"]})",
        R"({"email":{"a":"b"}})",
        R"({"user":"a"})",
        R"({"user":null})",
        R"({"user":1})",
        R"({"user":true})",
        R"({"user":[{"email":"a"}]})",
        R"({"user":{"email":[]}})",
        R"({"email":"\ud800"})",
        R"({"email":"\x41"})",
        "{\"email\":\"\xff\"}",
        "{\"email\":\"a\nb\"}",
        "{\"email\":\"\xc0\x80\"}",
        bytes("{\"email\":\"a\0b\"}"),
        bytes("{}\0"),
        bytes("{\"email\":\"a\"}\0{\"email\":\"b\"}"),
        R"({"n":1e999})",
        "email=a",
    };
    for (const auto& body : refused)
        check_bytes(shown_form(body, json), "malformed", body);
}

void the_singular_names_the_wrapper(void**) {
    check_bytes(shown_form("admin[email]=a&user[email]=b", urlencoded, "admin"),
                "email a password -");
    check_bytes(shown_form(R"({"user":{"email":"b"},"admin":{"email":"a"}})",
                           json, "admin"),
                "email a password -");
}

std::string repeated(std::string_view text, int times) {
    std::string out;
    while (times-- > 0)
        out += text;
    return out;
}

void bounds_size_fields_and_depth(void**) {
    const std::string long_value(max_form_size - 9, 'x');
    check_bytes(shown_form("password=" + long_value, urlencoded),
                "email - password " + long_value);
    check_bytes(shown_form("password=" + long_value + "x", urlencoded),
                "too large");
    check_bytes(shown_form(std::string(1 << 20, '{'), json), "too large");

    const int most = max_form_fields;
    check_bytes(shown_form(repeated("a=1&", most), urlencoded),
                "email - password -");
    check_bytes(shown_form(repeated("a=1&", most + 1), urlencoded),
                "malformed");
    check_bytes(
        shown_form("{" + repeated("\"a\":1,", most - 1) + "\"a\":1}", json),
        "email - password -");
    check_bytes(shown_form("{" + repeated("\"a\":1,", most) + "\"a\":1}", json),
                "malformed");

    check_bytes(shown_form("user" + repeated("[a]", 8) + "=1", urlencoded),
                "email - password -");
    for (const char* bracket : {"[", "%5B", "[a]", "]["})
        check_bytes(
            shown_form("user" + repeated(bracket, 1000) + "=1", urlencoded),
            "malformed");
    check_bytes(
        shown_form("{\"a\":" + repeated("[", 7) + repeated("]", 7) + "}", json),
        "email - password -");
    for (const char* nest : {"[", "{\"a\":", "[{\"a\":"}) {
        check_bytes(shown_form("{\"a\":" + repeated(nest, 1000), json),
                    "malformed");
        check_bytes(shown_form("{\"user\":{\"a\":" + repeated(nest, 8) + "1" +
                                   repeated("]", 8) + "}}",
                               json),
                    "malformed");
    }
}

void knows_the_content_type(void**) {
    struct {
        const char* header;
        std::optional<FormType> type;
    } const cases[] = {
        {"application/x-www-form-urlencoded", urlencoded},
        {"Application/X-WWW-Form-URLEncoded ; charset=utf-8", urlencoded},
        {"application/json", json},
        {" application/json;charset=utf-8", json},
        {"APPLICATION/JSON", json},
        {"", {}},
        {";", {}},
        {"text/plain", {}},
        {"application/jsonx", {}},
        {"application/json, text/plain", {}},
        {"application/vnd.api+json", {}},
        {"multipart/form-data; boundary=x", FormType::multipart},
        {"multipart/form-data", FormType::multipart},
        {"multipart/mixed; boundary=x", {}},
        {"text/plain; application/json", {}},
    };
    for (const auto& row : cases)
        check(form_type_of(row.header) == row.type, row.header);
}

// Reads the storage of a secret that was moved from, for short and long ones.
void a_move_leaves_no_copy(void**) {
    for (const std::size_t size : {1, 15, 16, 200}) {
        const std::string text(size, 'p');
        auto source = text;
        const char* storage = source.data();
        Secret first(std::move(source));
        for (std::size_t i = 0; size <= 15 && i < size; ++i)
            assert_int_equal(storage[i], 0);
        const char* inside = first.view().data();
        Secret second(std::move(first));
        check_bytes(first.view(), "");
        for (std::size_t i = 0; size <= 15 && i < size; ++i)
            assert_int_equal(inside[i], 0);
        Secret third(std::string("other"));
        third = std::move(second);
        check_bytes(third.view(), text);
        check_bytes(second.view(), "");
    }
}

void survives_random_bodies(void**) {
    std::mt19937 random(6);
    const std::string_view pieces[] = {"{",          "}",
                                       "[",          "]",
                                       "\"",         ":",
                                       ",",          "user",
                                       "email",      "password",
                                       "%",          "%41",
                                       "&",          "=",
                                       "+",          "true",
                                       "null",       "1",
                                       "\\u0000",    "\xff",
                                       " ",          "\"email\":\"a\"",
                                       "\"user\":{", "_csrf_token"};
    int read = 0;
    for (int i = 0; i < 100'000; ++i) {
        std::string body = i % 2 ? "{" : "";
        for (auto count = random() % 12; count > 0; --count)
            body += pieces[random() % std::size(pieces)];
        if (i % 4 == 1)
            body += "}";
        for (const auto type : {urlencoded, json})
            read += std::holds_alternative<LoginForm>(
                read_form(body, type, "user"));
    }
    check(read > 1000);
}

}  // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(reads_urlencoded),
        cmocka_unit_test(refuses_bad_escapes),
        cmocka_unit_test(reads_json),
        cmocka_unit_test(refuses_bad_json),
        cmocka_unit_test(the_singular_names_the_wrapper),
        cmocka_unit_test(bounds_size_fields_and_depth),
        cmocka_unit_test(knows_the_content_type),
        cmocka_unit_test(a_move_leaves_no_copy),
        cmocka_unit_test(survives_random_bodies),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
