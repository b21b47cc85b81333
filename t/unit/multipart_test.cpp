#include "phoenix/multipart.hpp"

#include "phoenix/form.hpp"
#include "unit.hpp"

using namespace sigra::phoenix;
using namespace sigra::unit;

namespace {

const std::string type = "multipart/form-data; boundary=XyZ";

std::string part(std::string_view name, std::string_view value,
                 std::string_view more = "") {
    return "--XyZ\r\nContent-Disposition: form-data; name=\"" +
           std::string(name) + "\"" + std::string(more) + "\r\n\r\n" +
           std::string(value) + "\r\n";
}

const std::string end = "--XyZ--\r\n";

std::string shown_form(std::string_view body,
                       std::string_view content_type = type) {
    const auto result =
        read_form(body, FormType::multipart, "user", content_type);
    if (const auto* error = std::get_if<FormError>(&result))
        return *error == FormError::too_large ? "too large" : "malformed";
    const auto& form = std::get<LoginForm>(result);
    std::string out = form.email.value_or("-") + "/";
    out += form.password ? form.password->view() : "-";
    out += form.remember_me ? " remember" : "";
    out += form.csrf_token.empty() ? "" : " csrf " + form.csrf_token;
    return out;
}

// Bodies as FormData in Chromium and Firefox, curl, and Python's requests write
// them.
void reads_what_clients_write(void**) {
    const auto fields =
        part("_csrf_token", "T") + part("user[email]", " ada@example.com\n") +
        part("user[password]", " a\r\nb--XyZ ") +
        part("user[remember_me]", "false") + part("user[remember_me]", "true");
    check_bytes(shown_form(fields + end),
                "ada@example.com/ a\r\nb--XyZ  remember csrf T");
    check_bytes(shown_form(fields + "--XyZ--"),
                "ada@example.com/ a\r\nb--XyZ  remember csrf T");
    check_bytes(shown_form(part("email", "") + part("password", "") + end),
                "/");
    check_bytes(shown_form(part("email", "a") + part("email", "b") + end),
                "b/-");
    check_bytes(shown_form(part("email", bytes("a\0b")) + end),
                bytes("a\0b/-"));
    check_bytes(shown_form("--XyZ \t\r\ncontent-DISPOSITION:form-data ; x=\";\""
                           " ;NAME=password\r\nContent-Type: text/plain\r\n"
                           "\r\nx\r\n" +
                           end),
                "-/x");
    check_bytes(shown_form(end), "-/-");
}

void skips_what_it_does_not_know(void**) {
    check_bytes(shown_form(part("photo", "\x89PNG", "; filename=\"a.png\"") +
                           part("user[name]", "x") + part("email", "a") + end),
                "a/-");
}

void refuses_what_is_malformed(void**) {
    const auto good = part("email", "a");
    const std::string refused[] = {
        "",
        "x",
        "\r\n" + good + end,
        "preamble\r\n" + good + end,
        good,
        good + "--XyZ",
        good + "--XyZ-",
        good + "--XyZ--x",
        good + end + good,
        good + "--XyZx\r\n\r\n" + end,
        "--XyZ\r\n\r\na\r\n" + end,
        "--XyZ\r\nContent-Disposition: form-data\r\n\r\na\r\n" + end,
        "--XyZ\r\nContent-Disposition: attachment; name=a\r\n\r\na\r\n" + end,
        "--XyZ\r\nContent-Disposition: form-data; name=\"a\r\n\r\na\r\n" + end,
        "--XyZ\r\nContent-Disposition: form-data; name=a\r\n"
        "Content-Disposition: form-data; name=b\r\n\r\na\r\n" +
            end,
        "--XyZ\r\nno header\r\n\r\na\r\n" + end,
        "--XyZ\r\nContent-Disposition: form-data; name=\"a\"\r\na\r\n" + end,
        "--XyZ\nContent-Disposition: form-data; name=\"a\"\n\na\n--XyZ--",
        part("email", "a", "; filename=\"x\"") + end,
        part("password", "a", "; filename*=utf-8''x") + end,
    };
    for (const auto& body : refused)
        check_bytes(shown_form(body), "malformed", body);
    for (std::size_t size = 0; size < good.size() + end.size() - 2; ++size)
        check_bytes(shown_form((good + end).substr(0, size)), "malformed");
}

void bounds_size_and_fields(void**) {
    std::string many;
    for (std::size_t i = 0; i < max_form_fields; ++i)
        many += part("a", "");
    check_bytes(shown_form(many + end), "-/-");
    check_bytes(shown_form(many + part("a", "") + end), "malformed");
    check_bytes(shown_form(part("a", std::string(max_form_size, 'x')) + end),
                "too large");
}

void finds_the_boundary(void**) {
    struct {
        std::string header;
        std::optional<std::string> boundary;
    } const rows[] = {
        {type, "XyZ"},
        {"multipart/form-data;BOUNDARY=\"a b?c\"; charset=utf-8", "a b?c"},
        {"multipart/form-data; x=\"boundary=no\"; boundary=yes", "yes"},
        {"multipart/form-data; boundary=" + std::string(70, 'b'),
         std::string(70, 'b')},
        {"multipart/form-data; boundary=" + std::string(71, 'b'), {}},
        {"multipart/form-data", {}},
        {"multipart/form-data; boundary", {}},
        {"multipart/form-data; boundary=", {}},
        {"multipart/form-data; boundary=\"", {}},
        {"multipart/form-data; boundary=\"a", {}},
        {"multipart/form-data; boundary=\"a \"", {}},
        {"multipart/form-data; boundary=\"a;b\"", {}},
        {"multipart/form-data; boundary=a\r", {}},
        {"multipart/form-data; boundary=\xc3\xa4", {}},
    };
    for (const auto& row : rows)
        check(multipart_boundary(row.header) == row.boundary, row.header);
    check_bytes(shown_form(end, "multipart/form-data"), "malformed");
}

}  // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_clients_write),
        cmocka_unit_test(skips_what_it_does_not_know),
        cmocka_unit_test(refuses_what_is_malformed),
        cmocka_unit_test(bounds_size_and_fields),
        cmocka_unit_test(finds_the_boundary),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
