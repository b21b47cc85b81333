#include "phoenix/remember_me.hpp"

#include <limits>
#include <span>

#include "terms.hpp"

using namespace sigra::phoenix;
using namespace sigra::unit;
using namespace sigra::unit::terms;

namespace {

using State = RememberMe::State;

constexpr std::int64_t now = 1'700'000'000'000;
constexpr auto greatest = std::numeric_limits<std::int64_t>::max();

std::string number(std::int64_t value) {
    std::string magnitude;
    for (auto left = static_cast<std::uint64_t>(value < 0 ? -value : value);
         left; left >>= 8)
        magnitude += static_cast<char>(left);
    return big(magnitude, value < 0);
}

std::string cookie(const std::string& signed_at, const std::string& max_age) {
    return tuple({bin("token"), signed_at, max_age});
}

struct Row {
    std::string term;
    State state;
};

void check_rows(std::span<const Row> rows) {
    for (const auto& row : rows) {
        const auto read = read_remember_me(tagged(131, row.term), now);
        check(read.state == row.state, row.term);
        check_bytes(read.token, row.state == State::valid ? "token" : "",
                    row.term);
    }
}

void asks_the_age(void**) {
    const auto day_ago = number(now - 86'400'000);
    const Row rows[] = {
        {cookie(number(now), small(1)), State::valid},
        {cookie(number(now + 1), small(1)), State::invalid},
        {cookie(number(greatest), small(1)), State::invalid},
        {cookie(day_ago, int32(86'400)), State::valid},  // equality passes
        {cookie(day_ago, int32(86'399)), State::expired},
        {cookie(number(now - 86'400'001), int32(86'400)), State::expired},
        {cookie(day_ago, int32(5'184'000)), State::valid},
        {cookie(number(now), small(0)), State::expired},
        {cookie(number(now), int32(-1)), State::expired},
        {cookie(number(now), big("\xff\xff\xff\xff\xff\xff\xff\xff\xff", true)),
         State::expired},
        {cookie(number(now), big("\xff\xff\xff\xff\xff\xff\xff\xff\xff")),
         State::valid},
        {cookie(number(now), number(greatest)), State::valid},
        {cookie(number(-5), int32(86'400)), State::expired},
        {cookie(number(-greatest), number(greatest / 1000)), State::expired},
        {cookie(number(0), atom(100, "infinity")), State::valid},
        {cookie(number(0), atom(119, "infinity")), State::valid},
        {cookie(number(now + 1), atom(119, "infinity")), State::invalid},
    };
    check_rows(rows);
}

void cuts_a_fraction(void**) {
    const Row rows[] = {
        {cookie(number(now - 1500), real(1.5)), State::valid},
        {cookie(number(now - 1501), real(1.5)), State::expired},
        {cookie(number(now - 1), real(0.0019)), State::valid},
        {cookie(number(now - 2), real(0.0019)), State::expired},
        {cookie(number(now), real(0.0)), State::expired},
        {cookie(number(now), real(-0.5)), State::expired},
        {cookie(number(now), real(1e300)), State::valid},
        {cookie(number(now), real(-1e300)), State::expired},
    };
    check_rows(rows);
}

void reads_the_older_forms(void**) {
    const auto age = [](std::int64_t ms) { return number(now - ms); };
    const auto data = atom(100, "data"), sig = atom(100, "signed");
    const Row rows[] = {
        {tuple({bin("token"), age(86'400'000)}), State::valid},
        {tuple({bin("token"), age(86'400'001)}), State::expired},
        {tuple({bin("token"), age(-1)}), State::invalid},
        {tuple({bin("token"), age(0)}, 105), State::valid},
        {map({data, bin("token"), sig, age(86'400'000)}), State::valid},
        {map({data, bin("token"), sig, age(86'400'001)}), State::expired},
        {map({sig, age(0), atom(119, "data"), bin("token")}), State::valid},
        {map({bin("x"), nil, sig, age(0), data, bin("token"), small(1), nil}),
         State::valid},
    };
    check_rows(rows);
}

void another_form_is_invalid(void**) {
    const auto at = number(now);
    const auto data = atom(100, "data"), sig = atom(100, "signed");
    const Row rows[] = {
        {cookie(at, atom(119, "nil")), State::invalid},
        {cookie(at, atom(119, "Infinity")), State::invalid},
        {cookie(at, bin("infinity")), State::invalid},
        {cookie(at, bin("60")), State::invalid},
        {cookie(at, str("60")), State::invalid},
        {cookie(at, nil), State::invalid},
        {cookie(atom(119, "infinity"), small(60)), State::invalid},
        {cookie(bin("0"), small(60)), State::invalid},
        {cookie(nil, small(60)), State::invalid},
        {tuple({str("token"), at, small(60)}), State::invalid},
        {tuple({atom(119, "nil"), at, small(60)}), State::invalid},
        {tuple({small(1), at, small(60)}), State::invalid},
        {tuple({}), State::invalid},
        {tuple({bin("token")}), State::invalid},
        {tuple({bin("token"), at, small(60), small(60)}), State::invalid},
        {list({bin("token"), at, small(60)}), State::invalid},
        {bin("token"), State::invalid},
        {map({}), State::invalid},
        {map({data, bin("token")}), State::invalid},
        {map({sig, at}), State::invalid},
        {map({bin("data"), bin("token"), bin("signed"), at}), State::invalid},
        {map({data, bin("token"), sig, at, atom(119, "data"), bin("evil")}),
         State::invalid},
    };
    check_rows(rows);
    for (const auto& text :
         {std::string(), std::string("\x83"), cookie(at, small(60)),
          tagged(131, cookie(at, small(60))) + "x"})
        check(read_remember_me(text, now).state == State::invalid, text);
}

void reads_what_it_wrote(void**) {
    const auto payload = write_remember_me("token", now, 5'184'000);
    check_bytes(
        payload,
        tagged(131, tuple({bin("token"), number(now), int32(5'184'000)})));
    const auto end = now + 5'184'000'000;
    check(read_remember_me(payload, now - 1).state == State::invalid);
    check_bytes(read_remember_me(payload, now).token, "token");
    check(read_remember_me(payload, end).state == State::valid);
    check(read_remember_me(payload, end + 1).state == State::expired);
}

void the_salt_has_the_cookie_s_name(void**) {
    check_bytes(signed_cookie_salt("_app_user_remember_me"),
                "_app_user_remember_me_cookie");
}

}  // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(asks_the_age),
        cmocka_unit_test(cuts_a_fraction),
        cmocka_unit_test(reads_the_older_forms),
        cmocka_unit_test(another_form_is_invalid),
        cmocka_unit_test(reads_what_it_wrote),
        cmocka_unit_test(the_salt_has_the_cookie_s_name),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
