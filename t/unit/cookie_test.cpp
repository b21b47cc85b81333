#include "phoenix/cookie.hpp"

#include <array>
#include <limits>

#include "unit.hpp"

using namespace sigra::phoenix;
using namespace sigra::unit;

namespace {

using Nothing = std::optional<std::string_view>;

void finds_as_plug_does(void**) {
    struct {
        std::string header;
        const char* name;
        std::optional<std::string_view> value;
    } const cases[] = {
        {"a=\t; a=2", "a", "2"},
        {"a =1", "a", Nothing()},
        {"a= 1", "a", " 1"},
        {"a=1", "a", "1"},
        {"a=1;b=2", "b", "2"},
        {"a=1; b=2", "b", "2"},
        {"a=1;\t \tb=2", "b", "2"},
        {" \t a=1", "a", "1"},
        {"a=1; a=2", "a", "1"},
        {"a=; a=2", "a", ""},
        {"a=1 ", "a", "1"},
        {"a=1   ;b=2", "a", "1"},
        {"a=   ", "a", ""},
        {"a= 1 2 ", "a", " 1 2"},
        {"a=1\t", "a", Nothing()},
        {"a=\t1", "a", Nothing()},
        {"a=1\r; a=2", "a", "2"},
        {"a=1\n; a=2", "a", "2"},
        {"a=1\v; a=2", "a", "2"},
        {"a=1\f; a=2", "a", "2"},
        {"\ra=1; a=2", "a", "2"},
        {"\na=1", "a", Nothing()},
        {"a\t=1; a=2", "a", "2"},
        {"b a=1; a=2", "a", "2"},
        {"a=1=2", "a", "1=2"},
        {"a==", "a", "="},
        {"a=\"1\"", "a", "\"1\""},
        {"a=\"1;b=2\"", "a", "\"1"},
        {"a=\"1;b=2\"", "b", "2\""},
        {"a=1, b=2", "a", "1, b=2"},
        {"a=1, b=2", "b", Nothing()},
        {"$a=1", "$a", "1"},
        {"a", "a", Nothing()},
        {"a;a=2", "a", "2"},
        {"", "a", Nothing()},
        {";;;", "a", Nothing()},
        {"; ;a=1", "a", "1"},
        {"=1", "", Nothing()},
        {"=", "", Nothing()},
        {"a=1", "", Nothing()},
        {"A=1", "a", Nothing()},
        {"ab=1", "a", Nothing()},
        {"a=1", "ab", Nothing()},
        {"a=%31", "a", "%31"},
        {bytes("a\0=1"), "a", Nothing()},
        {bytes("a=\0"), "a", std::string_view("\0", 1)},
    };
    for (const auto& row : cases)
        check_bytes(find_cookie(row.header, row.name), row.value, row.header);
}

void another_spelling_is_not_the_session(void**) {
    for (const char* planted :
         {"=__Host-s=bad", "\"__Host-s\"=bad", "%5f%5fHost-s=bad",
          "__host-s=bad", "__HOST-S=bad", " = __Host-s=bad", "__Host-s =bad",
          "__Host-s", "x__Host-s=bad", "__Host-s\t=bad", "$__Host-s=bad",
          "x=__Host-s=bad", "__Host-sx=bad"}) {
        const std::string header(planted);
        check(!find_cookie(header, "__Host-s"), header);
        check_bytes(find_cookie(header + "; __Host-s=good", "__Host-s"), "good",
                    header);
        check_bytes(find_cookie("__Host-s=good; " + header, "__Host-s"), "good",
                    header);
    }
}

// Quotes have no meaning, as in the application.
void quotes_hide_nothing(void**) {
    const std::string header = "lang=\"b; __Host-s=TOKEN; c=d\"";
    check_bytes(find_cookie(header, "__Host-s"), "TOKEN");
    check_bytes(find_cookie(header, "lang"), "\"b");
    check_bytes(find_cookie(header, "c"), "d\"");
}

void sixty_planted_ones_lose_or_win_by_place(void**) {
    std::string planted;
    for (int i = 0; i < 60; ++i)
        planted += "s=bad; ";
    check_bytes(find_cookie("s=good; " + planted, "s"), "good");
    check_bytes(find_cookie(planted + "s=good", "s"), "bad");
}

// At each position, because long values are read in blocks.
void a_control_space_anywhere_drops_the_pair(void**) {
    for (std::size_t size = 1; size <= 100; ++size) {
        const std::string value(size, 'v');
        check_bytes(find_cookie("_s=" + value, "_s"), value, value);
        for (std::size_t at = 0; at < size; ++at) {
            for (const char c : {'\t', '\n', '\v', '\f', '\r'}) {
                std::string bad = value;
                bad[at] = c;
                check(!find_cookie("_s=" + bad, "_s"), bad);
                check_bytes(find_cookie("_s=" + bad + "; _s=good", "_s"),
                            "good", bad);
            }
        }
    }
}

void the_first_is_not_looked_at(void**) {
    struct {
        const char* header;
        std::optional<std::string_view> value;
    } const cases[] = {
        {"b=2; a=1; a=3", "1"}, {" a=1 \t; a=3", "1 \t"}, {"a=1  ;a=3", "1"},
        {"a=\v1; a=3", "\v1"},  {"a=; a=3", ""},          {"a; a=3", "3"},
        {"b a=1; \ta=3", "3"},  {"ab=1", Nothing()},      {"a", Nothing()},
        {"", Nothing()},
    };
    for (const auto& row : cases)
        check_bytes(first_cookie(row.header, "a"), row.value, row.header);
}

void takes_cookies_out(void**) {
    const std::array<std::string_view, 2> names{"_s", "_r"};
    struct {
        std::string header;
        const char* left;
    } const cases[] = {
        {"_s=1", ""},
        {"_s=1; _r=2", ""},
        {"_s=1; a=1; _r=2; b= 2 ;c=3", "a=1; b= 2 ;c=3"},
        {"a=1; _s=1", "a=1"},
        {"a=1;_s=1;b=2", "a=1;b=2"},
        {"a=1; b=2", "a=1; b=2"},
        {"a=1;  b=\"2;3\"", "a=1;  b=\"2;3\""},
        {"_s=1; _s=2; a=1; _s=3", "a=1"},
        {"_s =1; \t_s\t=1; _S=1; _s; a=1", "a=1"},
        {"_s=1;", ""},
        {"_s=1; ", ""},
        {"_sx=1; x_s=1", "_sx=1; x_s=1"},
        {"a=_s=1", "a=_s=1"},
        {"a=\"b; _s=TOKEN; c=d\"", "a=\"b; c=d\""},
        {"", ""},
        {"=1; a=1", "=1; a=1"},
    };
    for (const auto& row : cases)
        check_bytes(without_cookies(row.header, names), row.left, row.header);
    check_bytes(without_cookies("a=1; b=2", {}), "a=1; b=2");
}

void puts_one_in_front(void**) {
    struct {
        std::string header;
        const char* result;
    } const cases[] = {
        {"", "_s=new"},
        {"_s=old", "_s=new"},
        {"a=1; _s=old; b=2", "_s=new; a=1; b=2"},
        {"_s=old; _s=older; a=1", "_s=new; a=1"},
        {"a=1", "_s=new; a=1"},
    };
    for (const auto& row : cases) {
        const auto header = with_cookie(row.header, "_s", "new");
        check_bytes(header, row.result, row.header);
        check_bytes(find_cookie(header, "_s"), "new", row.header);
    }
}

constexpr std::int64_t now = 1795497850;  // Tue, 24 Nov 2026 05:24:10 GMT

void writes_as_plug_does(void**) {
    struct {
        CookieAttributes attributes;
        const char* header;
    } const cases[] = {
        {{}, "k=v; path=/; HttpOnly"},
        {{.same_site = "Lax"}, "k=v; path=/; HttpOnly; SameSite=Lax"},
        {{.secure = true}, "k=v; path=/; secure; HttpOnly"},
        {{.path = "/app", .domain = "example.com"},
         "k=v; path=/app; domain=example.com; HttpOnly"},
        {{.max_age = 0},
         "k=v; path=/; expires=Tue, 24 Nov 2026 05:24:10 GMT; max-age=0; "
         "HttpOnly"},
        {{.domain = "example.com",
          .same_site = "Strict",
          .secure = true,
          .max_age = 5184000},
         "k=v; path=/; domain=example.com; "
         "expires=Sat, 23 Jan 2027 05:24:10 GMT; max-age=5184000; secure; "
         "HttpOnly; SameSite=Strict"},
    };
    for (const auto& row : cases)
        check_bytes(set_cookie("k", "v", row.attributes, now), row.header);
}

void clears_with_the_same_attributes(void**) {
    check_bytes(clear_cookie("k", {}),
                "k=; path=/; expires=Thu, 01 Jan 1970 00:00:00 GMT; "
                "max-age=0; HttpOnly");
    check_bytes(clear_cookie("k", {.path = "/app",
                                   .domain = "example.com",
                                   .same_site = "Lax",
                                   .secure = true,
                                   .max_age = 5184000}),
                "k=; path=/app; domain=example.com; "
                "expires=Thu, 01 Jan 1970 00:00:00 GMT; max-age=0; secure; "
                "HttpOnly; SameSite=Lax");
}

void dates(void**) {
    struct {
        std::int64_t time;
        const char* date;
    } const cases[] = {
        {0, "Thu, 01 Jan 1970 00:00:00 GMT"},
        {951782399, "Mon, 28 Feb 2000 23:59:59 GMT"},
        {951782400, "Tue, 29 Feb 2000 00:00:00 GMT"},
        {1271512800, "Sat, 17 Apr 2010 14:00:00 GMT"},
        {1704067199, "Sun, 31 Dec 2023 23:59:59 GMT"},
        {4107542400, "Mon, 01 Mar 2100 00:00:00 GMT"},
        {253402300799, "Fri, 31 Dec 9999 23:59:59 GMT"},
    };
    for (const auto& row : cases) {
        const auto expected = "k=v; path=/; expires=" + std::string(row.date) +
                              "; max-age=0; HttpOnly";
        check_bytes(set_cookie("k", "v", {.max_age = 0}, row.time), expected);
    }
}

void a_life_past_the_calendar_ends_with_it(void**) {
    const auto longest = std::numeric_limits<std::int64_t>::max();
    check_bytes(set_cookie("k", "v", {.max_age = longest}, now),
                "k=v; path=/; expires=Fri, 31 Dec 9999 23:59:59 GMT; "
                "max-age=9223372036854775807; HttpOnly");
    check_bytes(set_cookie("k", "v", {.max_age = -1}, 0),
                "k=v; path=/; expires=Thu, 01 Jan 1970 00:00:00 GMT; "
                "max-age=-1; HttpOnly");
}

}  // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(finds_as_plug_does),
        cmocka_unit_test(another_spelling_is_not_the_session),
        cmocka_unit_test(quotes_hide_nothing),
        cmocka_unit_test(sixty_planted_ones_lose_or_win_by_place),
        cmocka_unit_test(a_control_space_anywhere_drops_the_pair),
        cmocka_unit_test(the_first_is_not_looked_at),
        cmocka_unit_test(takes_cookies_out),
        cmocka_unit_test(puts_one_in_front),
        cmocka_unit_test(writes_as_plug_does),
        cmocka_unit_test(clears_with_the_same_attributes),
        cmocka_unit_test(dates),
        cmocka_unit_test(a_life_past_the_calendar_ends_with_it),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
