#include "phoenix/redirect.hpp"

#include "phoenix/percent.hpp"
#include "unit.hpp"

using namespace sigra::phoenix;
using namespace sigra::unit;

namespace {

const std::string foreign[] = {
    "",
    "evil",
    "?a=b",
    "#a",
    " /a",
    "//evil",
    "///evil",
    "////evil/%2e%2e",
    "/\\evil",
    "\\\\evil",
    "\\/evil",
    "/%5cevil",
    "/%5Cevil",
    "/a/\\evil",
    "/a/%5cevil",
    "/a\\",
    "/\t/evil",
    "/%09/evil",
    "/\r/evil",
    "/\n/evil",
    "/\v/evil",
    "/\f/evil",
    bytes("/\0/evil"),
    "/%0d/evil",
    "/%0a/evil",
    "/%0D%0ASet-Cookie:x=y",
    "/%0b/evil",
    "/%0c/evil",
    "/%00/evil",
    "/%7f",
    "/a\x7f",
    "/a\x1f",
    "\t//evil",
    "\n/evil",
    "/./\\evil",
    "/../\\evil",
    "/.//evil",
    "/..//evil",
    "/%2e//evil",
    "/%2E%2e//evil",
    "/.%2e//evil",
    "/a/..//evil",
    "/a/%2e%2e//evil",
    "/a/../..//evil",
    "/a/b/../..//evil",
    "/a//../..//evil",
    "/.//./evil",
    "/./%2fevil",
    "/%2fevil",
    "/%2F%2fevil",
    "/a/..%2f/evil",
    "/a/..//",
    "http://good\\@evil",
    "https://good@evil",
    "http:evil",
    "http:///evil",
    "javascript:alert(1)",
    "JAVASCRIPT:alert(1)",
    "data:text/html,x",
    "@evil",
    ".evil",
    "/a?b=\\c",
    "/a?b=c\r\nSet-Cookie: x=y",
    "/a?b=\tc",
    "/a#\n",
    bytes("/a\0"),
};

const std::string local[] = {
    "/",
    "/a",
    "/a/",
    "/a?b=//c",
    "/a?b=http://c:1/d",
    "/a?b=%0d%0a%5c%00",
    "/a?b=/.//c",
    "/a#//b",
    "/?//evil",
    "/#//evil",
    "/a/b/../c",
    "/a/./b",
    "/.",
    "/..",
    "/../../a",
    "/a/..",
    "/a/../",
    "/a//b",
    "/a/b//",
    "/.../a",
    "/.well-known/x",
    "/..a//b",
    "/%C3%A9",
    "/\xc3\xa9",
    "/a%2Fb",
    "/a%20b+c",
    "/100%",
    "/%",
    "/%4",
    "/%zz",
    "/%255cevil",
    "/a:b@c;d=e",
    "/@evil",
    "/:80",
    "/dashboard?x=1&y=%2F%2F",
};

void refuses_what_leads_elsewhere(void**) {
    for (const auto& target : foreign) {
        check(!is_local_path(target), target);
        check_bytes(local_path_or_root(target), "/", target);
    }
}

void accepts_local_paths(void**) {
    for (const auto& target : local) {
        check(is_local_path(target), target);
        check_bytes(local_path_or_root(target), target, target);
    }
}

// Each byte after a slash, raw and percent-encoded.
void refuses_each_control_character(void**) {
    for (int byte = 0; byte < 256; ++byte) {
        const auto c = static_cast<char>(byte);
        const std::string_view digits = "0123456789abcdef";
        const auto escape =
            std::string("%") + digits[byte >> 4] + digits[byte & 15];
        const bool refused = byte < 0x20 || byte == 0x7f || c == '\\';
        check(is_local_path(std::string("/a") + c + "b") != refused, escape);
        check(is_local_path("/a" + escape + "b") != refused, escape);
        check(is_local_path("/a?b=" + escape), escape);
        check(is_local_path(std::string("/a?b=") + c) != refused, escape);
    }
}

struct Target {
    std::string target;
    bool from_http, from_https;
};

const WebOrigin trusted[] = {{true, "app.trusted", 443},
                             {true, "odd.trusted", 8443},
                             {false, "plain.trusted", 80}};

const Target targets[] = {
    {"/a?b=//c", true, true},
    {"//evil", false, false},
    {"https://own.example", true, true},
    {"https://own.example:443/", true, true},
    {"http://own.example/a", true, false},
    {"https://own.example:8443/", false, false},
    {"https://app.trusted/a?b#c", true, true},
    {"https://APP.trusted/", true, true},
    {"https://app.trusted:443/", true, true},
    {"https://app.trusted:8443/", false, false},
    {"http://app.trusted/", false, false},
    {"http://app.trusted:443/", false, false},
    {"https://x.app.trusted/", false, false},
    {"https://odd.trusted:8443/", true, true},
    {"https://odd.trusted/", false, false},
    {"http://plain.trusted/", true, true},
    {"https://plain.trusted/", false, false},
    {"https://site.test/", true, true},
    {"https://a.b.SITE.test:8080/", true, true},
    {"http://a.site.test/", true, false},
    {"https://.site.test/", false, false},
    {"https://evilsite.test/", false, false},
    {"https://site.test.evil/", false, false},
    {"https://site.test./", false, false},
    {"https://site.test@evil/", false, false},
    {"https://a@site.test/", false, false},
    {"https://evil/.site.test", false, false},
    {"https://evil?.site.test/", false, false},
    {"https://evil#.site.test/", false, false},
    {"https://evil\\.site.test/", false, false},
    {"https://evil%2f.site.test/", false, false},
    {"https://evil\t.site.test/", false, false},
    {bytes("https://evil\0.site.test/"), false, false},
    {"https://site.test?/a", false, false},
    {"https://site.test//evil", false, false},
    {"https://site.test/a\nb", false, false},
    {"https://site.test/%5cevil", false, false},
    {"https:///site.test", false, false},
    {"https:/site.test/", false, false},
    {"https:site.test", false, false},
    {"HTTPS://site.test/", false, false},
    {"ftp://site.test/", false, false},
    {" https://site.test/", false, false},
    {"https://", false, false},
    {"https://evil/", false, false},
};

void accepts_hosts_that_are_named(void**) {
    for (const auto& [target, from_http, from_https] : targets) {
        check(may_return_to(target, {"own.example", false, trusted,
                                     "site.test"}) == from_http,
              target);
        check(may_return_to(target, {"OWN.example:443", true, trusted,
                                     ".Site.Test"}) == from_https,
              target);
        check(may_return_to(target, {}) == is_local_path(target), target);
    }
}

void finds_the_path_on_the_own_host(void**) {
    check_bytes(path_of_return_to("/a?b", "x"), "/a?b");
    check_bytes(path_of_return_to("https://x/a?b", "x"), "/a?b");
    for (const char* elsewhere :
         {"https://y/a", "https://x", "//x/a", "https://x//a", "x"})
        check_bytes(path_of_return_to(elsewhere, "x"), "", elsewhere);
}

void writes_a_value_of_a_query(void**) {
    check_bytes(percent_encode("/a-b._~:@c", "/"), "/a-b._~:@c");
    check_bytes(percent_encode("?&=+#% \xc3\xa9", "/"),
                "%3F%26%3D%2B%23%25%20%C3%A9");
    std::string all;
    for (int byte = 0; byte < 256; ++byte)
        all += static_cast<char>(byte);
    check_bytes(form_decode(percent_encode(all, "/")).value_or(""), all);
}

}  // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(refuses_what_leads_elsewhere),
        cmocka_unit_test(accepts_local_paths),
        cmocka_unit_test(refuses_each_control_character),
        cmocka_unit_test(accepts_hosts_that_are_named),
        cmocka_unit_test(finds_the_path_on_the_own_host),
        cmocka_unit_test(writes_a_value_of_a_query),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
