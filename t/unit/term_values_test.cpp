// Reading the values of terms, and writing terms.
#include <limits>

#include "phoenix/term.hpp"
#include "terms.hpp"

using namespace sigra::phoenix;
using namespace sigra::unit;
using namespace sigra::unit::terms;

namespace {

void takes_apart(void**) {
    check_bytes(term::as_binary(bin("abc")), "abc");
    check_bytes(term::as_atom(atom(100, "a")), "a");
    check_bytes(term::as_atom(atom(119, "a")), "a");
    for (const int tag : {104, 105}) {
        const auto term = tuple({small(1), bin("x"), tuple({nil})}, tag);
        const auto parts = term::as_tuple(term);
        check(parts && parts->size() == 3);
        check_bytes((*parts)[0], small(1));
        check_bytes((*parts)[1], bin("x"));
        check_bytes((*parts)[2], tuple({nil}));
    }
    const auto term = map({bin("b"), small(1), atom(100, "a"), str("xy")});
    const auto pairs = term::as_map(term);
    check(pairs && pairs->size() == 2);
    check_bytes((*pairs)[0].first, bin("b"));
    check_bytes((*pairs)[0].second, small(1));
    check_bytes((*pairs)[1].first, atom(100, "a"));
    check_bytes((*pairs)[1].second, str("xy"));
}

void another_type_is_nothing(void**) {
    for (const auto& term : good_terms) {
        const auto tag = static_cast<unsigned char>(term[0]);
        check(term::as_binary(term).has_value() == (tag == 109), term);
        check(term::as_atom(term).has_value() ==
                  (tag == 100 || tag == 115 || tag == 118 || tag == 119),
              term);
        check(term::as_tuple(term).has_value() == (tag == 104 || tag == 105),
              term);
        check(term::as_map(term).has_value() == (tag == 116), term);
        check(term::as_float(term).has_value() == (tag == 70), term);
        check(term::as_number(term).has_value() ==
                  (tag == 70 || tag == 97 || tag == 98 || tag == 110 ||
                   tag == 111),
              term);
    }
}

constexpr auto least = std::numeric_limits<std::int64_t>::min();
constexpr auto greatest = std::numeric_limits<std::int64_t>::max();

void reads_numbers(void**) {
    struct {
        std::string term;
        std::int64_t value;
        bool overflow;
    } const cases[] = {
        {small(200), 200, false},
        {int32(-200), -200, false},
        {big("\xff\xff\xff\xff\xff\xff\xff\x7f"), greatest, false},
        {big(bytes("\0\0\0\0\0\0\0\x80")), greatest, true},
        {big(bytes("\0\0\0\0\0\0\0\x80"), true), least, false},
        {big(bytes("\1\0\0\0\0\0\0\x80"), true), least, true},
        {big(bytes("\0\0\0\0\0\0\0\0\1")), greatest, true},
        {big(bytes("\1\0\0\0\0\0\0\0\0\0\0")), 1, false},
        {large_big(std::string(300, '\xff'), true), least, true},
        {big("", true), 0, false},
        {real(1.9), 1, false},
        {real(-1.9), -1, false},
        {real(-0.0), 0, false},
        {real(9.3e18), greatest, true},
        {real(9223372036854775808.0), greatest, true},
        {real(-9223372036854775808.0), least, false},
        {real(-1e300), least, true},
    };
    for (const auto& row : cases) {
        const auto number = term::as_number(row.term);
        check(number && number->value == row.value &&
                  number->overflow == row.overflow,
              row.term);
    }
}

void writes(void**) {
    std::string out;
    term::write_version(out);
    term::write_map_header(out, 2);
    term::write_binary(out, "key");
    term::write_tuple_header(out, 2);
    term::write_atom(out, "true");
    term::write_integer(out, 5);
    term::write_atom(out, "b");
    term::write_binary(out, bytes("\0"));
    check_bytes(
        out, tagged(131, map({bin("key"), tuple({atom(119, "true"), small(5)}),
                              atom(119, "b"), bin(bytes("\0"))})));
    check(term::checked(out).has_value());
}

// As Erlang writes them.
void writes_integers(void**) {
    struct {
        std::int64_t value;
        std::string term;
    } const cases[] = {
        {0, small(0)},
        {255, small(255)},
        {256, int32(256)},
        {-1, int32(-1)},
        {2147483647, int32(2147483647)},
        {-2147483648, int32(-2147483648)},
        {2147483648, big(bytes("\0\0\0\x80"))},
        {-2147483649, big(bytes("\1\0\0\x80"), true)},
        {1700000000000, big(bytes("\0\x68\xe5\xcf\x8b\1"))},
        {greatest, big("\xff\xff\xff\xff\xff\xff\xff\x7f")},
        {least, big(bytes("\0\0\0\0\0\0\0\x80"), true)},
    };
    for (const auto& row : cases) {
        std::string out;
        term::write_integer(out, row.value);
        check_bytes(out, row.term);
        const auto number = term::as_number(out);
        check(number && number->value == row.value && !number->overflow);
    }
}

}  // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(takes_apart),
        cmocka_unit_test(another_type_is_nothing),
        cmocka_unit_test(reads_numbers),
        cmocka_unit_test(writes),
        cmocka_unit_test(writes_integers),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
