#include "phoenix/origin.hpp"

#include "unit.hpp"

using namespace sigra::phoenix;
using namespace sigra::unit;

namespace {

struct Parsed {
    std::string_view text;
    std::optional<WebOrigin> expected;
};

const Parsed texts[] = {
    {"https://example.com", WebOrigin{true, "example.com", 443}},
    {"https://example.com:443", WebOrigin{true, "example.com", 443}},
    {"https://example.com:8443", WebOrigin{true, "example.com", 8443}},
    {"http://example.com", WebOrigin{false, "example.com", 80}},
    {"http://example.com:443", WebOrigin{false, "example.com", 443}},
    {"HTTPS://Example.COM", WebOrigin{true, "example.com", 443}},
    {"https://a_b-c.example", WebOrigin{true, "a_b-c.example", 443}},
    {"http://127.0.0.1:8080", WebOrigin{false, "127.0.0.1", 8080}},
    {"https://[::1]", WebOrigin{true, "[::1]", 443}},
    {"https://[2001:DB8::1]:65535", WebOrigin{true, "[2001:db8::1]", 65535}},
    {"https://xn--bcher-kva.example", WebOrigin{true, "xn--bcher-kva.example"}},
    {"", {}},
    {"null", {}},
    {"example.com", {}},
    {"//example.com", {}},
    {"https:example.com", {}},
    {"https:/example.com", {}},
    {"https://", {}},
    {"https://:443", {}},
    {"https://example.com/", {}},
    {"https://example.com/path", {}},
    {"https://example.com?a", {}},
    {"https://example.com#a", {}},
    {"https://user@example.com", {}},
    {"https://good:1@evil", {}},
    {"https://example.com:", {}},
    {"https://example.com:0", {}},
    {"https://example.com:65536", {}},
    {"https://example.com:-1", {}},
    {"https://example.com:+1", {}},
    {"https://example.com:1x", {}},
    {"https://example.com:1:2", {}},
    {"https://*.example.com", {}},
    {"https://example.com\\evil", {}},
    {"https://b\xc3\xbc"
     "cher.example",
     {}},
    {" https://example.com", {}},
    {"https://example.com ", {}},
    {"https://a https://b", {}},
    {"https://a, https://b", {}},
    {"https://[::1", {}},
    {"https://::1", {}},
    {"https://[]", {}},
    {"https://[::1]x", {}},
    {"https://[::1]:", {}},
    {"https://[evil.example]", {}},
    {"ftp://example.com", {}},
    {"javascript://example.com", {}},
    {"chrome-extension://abc", {}},
};

void parses_origins(void**) {
    for (const Parsed& row : texts)
        check(parse_origin(row.text) == row.expected, row.text);
    const std::string nul = bytes("https://example.com\0.evil");
    check(!parse_origin(nul), nul);
}

using Values = std::vector<std::string_view>;

struct Judged {
    std::string_view name;
    Values site;
    Values origin;
    std::string_view host;
    Provenance expected;
};

constexpr Provenance own = Provenance::own;
constexpr Provenance foreign = Provenance::foreign;
constexpr Provenance unknown = Provenance::unknown;

const std::vector<WebOrigin> trusted = {
    {true, "app.example.com", 443},
    {true, "other.example.com", 8443},
    {true, "[2001:db8::1]", 443},
};

const Judged requests[] = {
    {"nothing said", {}, {}, "a", Provenance::unknown},
    {"nothing said, no host", {}, {}, "", Provenance::unknown},

    {"same-origin", {"same-origin"}, {}, "a", own},
    {"typed", {"none"}, {}, "a", own},
    {"same-site", {"same-site"}, {}, "a", foreign},
    {"cross-site", {"cross-site"}, {}, "a", foreign},
    {"empty", {""}, {}, "a", foreign},
    {"another case", {"Same-Origin"}, {}, "a", foreign},
    {"a new word", {"nearby"}, {}, "a", foreign},
    {"a list", {"same-origin, none"}, {}, "a", foreign},
    {"twice", {"same-origin", "same-origin"}, {}, "a", foreign},

    // With Sec-Fetch-Site, Origin is not compared with Host, which a proxy in
    // front may have changed.
    {"same-origin behind", {"same-origin"}, {"https://b"}, "a", own},
    {"same-site, own", {"same-site"}, {"https://a"}, "a", foreign},
    {"cross-site, own", {"cross-site"}, {"https://a"}, "a", foreign},
    {"trusted", {"same-site"}, {"https://app.example.com"}, "a", own},
    {"trusted far", {"cross-site"}, {"https://app.example.com"}, "a", own},
    {"not trusted", {"cross-site"}, {"https://evil.example"}, "a", foreign},
    {"null", {"cross-site"}, {"null"}, "a", foreign},
    {"two origins", {"same-origin"}, {"https://a", "https://a"}, "a", foreign},

    {"own", {}, {"https://a"}, "a", own},
    {"own without TLS here", {}, {"https://a"}, "a:80", own},
    {"own by http", {}, {"http://a"}, "a", own},
    {"own, port named", {}, {"https://a"}, "a:443", own},
    {"own by http, port named", {}, {"http://a"}, "a:80", own},
    {"own port", {}, {"https://a:8443"}, "a:8443", own},
    {"own odd port", {}, {"http://a:443"}, "a:443", own},
    {"case", {}, {"https://Example.com"}, "eXample.com", own},
    {"IPv6", {}, {"http://[::1]:8080"}, "[::1]:8080", own},
    {"IPv6, case", {}, {"https://[2001:DB8::2]"}, "[2001:db8::2]", own},
    {"another host", {}, {"https://b"}, "a", foreign},
    {"a subdomain", {}, {"https://b.a"}, "a", foreign},
    {"a domain above", {}, {"https://a"}, "b.a", foreign},
    {"a suffix", {}, {"https://a.evil"}, "a", foreign},
    {"a prefix", {}, {"https://evila"}, "a", foreign},
    {"another port", {}, {"https://a:8443"}, "a", foreign},
    {"another port here", {}, {"https://a"}, "a:8443", foreign},
    {"ports differ", {}, {"https://a:8443"}, "a:8444", foreign},
    {"the other's default", {}, {"https://a:80"}, "a", foreign},
    {"another address", {}, {"http://[::2]"}, "[::1]", foreign},
    {"null alone: as if absent", {}, {"null"}, "a", unknown},
    {"null at null", {}, {"null"}, "null", unknown},
    {"another case is no null", {}, {"NULL"}, "a", foreign},
    {"null twice", {}, {"null", "null"}, "a", foreign},
    {"null, the site said", {"same-origin"}, {"null"}, "a", own},
    {"empty origin", {}, {""}, "a", foreign},
    {"empty both", {}, {""}, "", foreign},
    {"no host", {}, {"https://a"}, "", foreign},
    {"a path", {}, {"https://a/"}, "a", foreign},
    {"a user", {}, {"https://a@b"}, "b", foreign},
    {"another scheme", {}, {"ftp://a"}, "a", foreign},
    {"no host's form", {}, {"https://a"}, "a:x", foreign},
    {"twice the same", {}, {"https://a", "https://a"}, "a", foreign},
    {"two trusted",
     {},
     {"https://app.example.com", "https://app.example.com"},
     "a",
     foreign},
    {"both in one", {}, {"https://a https://a"}, "a", foreign},

    {"trusted alone", {}, {"https://app.example.com"}, "a", own},
    {"trusted, port", {}, {"https://app.example.com:443"}, "a", own},
    {"trusted, case", {}, {"https://APP.example.com"}, "a", own},
    {"trusted port", {}, {"https://other.example.com:8443"}, "a", own},
    {"trusted IPv6", {}, {"https://[2001:db8::1]"}, "a", own},
    {"trusted by http", {}, {"http://app.example.com"}, "a", foreign},
    {"trusted elsewhere", {}, {"https://app.example.com:444"}, "a", foreign},
    {"no port", {}, {"https://other.example.com"}, "a", foreign},
    {"below trusted", {}, {"https://x.app.example.com"}, "a", foreign},
};

void judges_requests(void**) {
    for (const Judged& row : requests) {
        const OriginHeaders headers{row.site, row.origin, row.host};
        check(provenance_of(headers, trusted) == row.expected, row.name);
    }
}

}  // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(parses_origins),
        cmocka_unit_test(judges_requests),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
