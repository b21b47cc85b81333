#include "phoenix/term.hpp"

#include <limits>
#include <random>

#include "terms.hpp"

using namespace sigra::phoenix;
using namespace sigra::unit;
using namespace sigra::unit::terms;

namespace {

bool accepts(std::string_view term) {
    const auto all = tagged(131, term);
    const auto checked = term::checked(all);
    if (checked)
        check_bytes(*checked, term);
    return checked.has_value();
}

void accepts_every_type(void**) {
    for (const auto& term : good_terms) {
        check(accepts(term), term);
        assert_int_equal(term::length(term), term.size());
        assert_int_equal(term::length(term + nil), term.size());
    }
}

void refuses_what_is_cut_off_or_goes_on(void**) {
    for (const auto& term : good_terms) {
        for (std::size_t size = 0; size < term.size(); ++size)
            check(!accepts(term.substr(0, size)), term.substr(0, size));
        check(!accepts(term + nil), term);
        check(!accepts(term + bytes("\0")), term);
    }
}

void refuses_another_version(void**) {
    check(!term::checked(""));
    check(!term::checked("\x83"));
    check(!term::checked(tagged(130, nil)));
    check(!term::checked(tagged(132, nil)));
    check(!term::checked(nil));
}

// Functions, ports, old floats, exports, compressed terms, references to the
// atom cache, and bytes that are not tags.
void refuses_every_other_tag(void**) {
    const std::string known(
        "\x46\x4d\x58\x5a\x61\x62\x64\x65\x67\x68\x69\x6a"
        "\x6b\x6c\x6d\x6e\x6f\x72\x73\x74\x76\x77");
    for (int tag = 0; tag < 256; ++tag) {
        if (known.find(static_cast<char>(tag)) != known.npos)
            continue;
        for (const std::size_t size : {0, 1, 8, 31, 64})
            check(!accepts(tagged(tag, std::string(size, '\0'))), be(tag, 1));
        check(!accepts(list({tagged(tag, std::string(8, '\1'))})), be(tag, 1));
    }
}

void refuses_what_erlang_refuses(void**) {
    const double inf = std::numeric_limits<double>::infinity();
    const std::string refused[] = {
        real(inf),
        real(-inf),
        real(std::numeric_limits<double>::quiet_NaN()),
        atom(100, std::string(256, 'a')),
        atom(118, std::string(256, 'a')),
        atom(118, e_acute(256)),
        atom(119, "\xff"),
        atom(118, "\xc0\x80"),
        bits("a", 0),
        bits("a", 8),
        bits("a", 9),
        bits("", 1),
        pid(88, atom(119, "\xff"), 1),
        pid(88, small(1), 1),
        pid(88, bin("a@b"), 1),
        pid(88, pid(88, atom(119, "a@b"), 1), 1),
        reference(90, atom(119, "a@b"), 1, 6),
        tagged(90, be(0, 2) + atom(119, "a@b") + be(0, 4)),
        std::string(100'000, 'X'),  // a pid's tag
    };
    for (const auto& term : refused)
        check(!accepts(term), term);
}

void refuses_lengths_beyond_the_end(void**) {
    const std::string most = be(0xffffffff, 4);
    const std::string refused[] = {
        tagged(116, most),
        tagged(116, most + joined({bin("a"), nil})),
        tagged(116, be(0x80000000, 4) + joined({bin("a"), nil})),
        tagged(108, most + nil),
        tagged(105, most + nil),
        tagged(104, "\xff"),
        tagged(109, most + "abc"),
        tagged(111, most + bytes("\0abc")),
        tagged(107, "\xff\xff" + std::string(65534, 'a')),
        tagged(100, "\xff\xff"),
        tagged(110, bytes("\xff\0")),
    };
    for (const auto& term : refused) {
        check(!accepts(term), term);
        check(!accepts(map({bin("k"), term})), term);
    }
}

std::string nested(int depth, const std::string& before,
                   const std::string& after) {
    std::string out;
    for (int i = 0; i < depth; ++i)
        out += before;
    out += nil;
    for (int i = 0; i < depth; ++i)
        out += after;
    return out;
}

// Terms nested as deep as the limit of items allows, which recursion would not
// survive; and maps in the keys of maps, whose canonical forms are copied once
// for each level.
void bounds_the_depth_by_the_items_alone(void**) {
    struct {
        std::string before, after;
        int most = 0;
    } const kinds[] = {
        {tagged(104, be(1, 1)), "", term::max_items - 1},
        {tagged(105, be(1, 4)), "", term::max_items - 1},
        {tagged(108, be(1, 4)), nil, (term::max_items - 1) / 2},
        {tagged(108, be(1, 4) + nil), "", (term::max_items - 1) / 2},
        {tagged(108, be(0, 4)), "", term::max_items - 1},
        {tagged(116, be(1, 4) + bin("k")), "", (term::max_items - 1) / 2},
        {tagged(116, be(1, 4)), nil, term::max_key_maps + 1},
    };
    for (const auto& kind : kinds) {
        const auto most = nested(kind.most, kind.before, kind.after);
        check(accepts(most), kind.before);
        assert_int_equal(term::length(most), most.size());
        for (const int depth : {kind.most + 1, 100'000})
            check(!accepts(nested(depth, kind.before, kind.after)),
                  kind.before);
    }
    for (const auto& kind : kinds) {
        if (kind.before[0] == 116)
            continue;
        const auto key = nested(term::max_items / 8, kind.before, kind.after);
        check(accepts(map({key, nil})), kind.before);
        check(!accepts(map({key, nil, key, nil})), kind.before);
    }
}

void bounds_the_items(void**) {
    const std::vector<std::string> most(term::max_items - 2, small(1));
    check(accepts(list(most)));
    auto more = most;
    more.push_back(small(1));
    check(!accepts(list(more)));
    check(!accepts(tuple({list(most)})));
    check(
        !accepts(list({}, tuple(std::vector<std::string>(100'000, nil), 105))));
}

// Terms of one row are equal in Erlang (=:=), those of different rows are not.
const std::vector<std::vector<std::string>> equal_terms{
    {atom(100, "true"), atom(115, "true"), atom(118, "true"),
     atom(119, "true")},
    {atom(100, "caf\xe9"), atom(115, "caf\xe9"), atom(118, "caf\xc3\xa9"),
     atom(119, "caf\xc3\xa9")},
    {bin("true")},
    {bin("")},
    {small(7), int32(7), big("\7"), big(bytes("\7\0\0")), large_big("\7")},
    {int32(-7), big("\7", true), large_big(bytes("\7\0"), true)},
    {small(0), int32(0), big(""), big("", true), big(bytes("\0"), true)},
    {int32(300), big("\x2c\1"), large_big(bytes("\x2c\1\0"))},
    {int32(std::numeric_limits<std::int32_t>::min()),
     big(bytes("\0\0\0\x80"), true)},
    {big(bytes("\0\0\0\x80"))},
    {real(7)},
    {real(0.0), real(-0.0)},
    {nil, str(""), list({}), list({}, str(""))},
    {str("ab"), list({small('a'), small('b')}), list({int32('a')}, str("b")),
     list({small('a')}, list({big("b")})), list({}, str("ab"))},
    {list({small('a')}, small('b'))},
    {list({small('a')}, tuple({small('b')}))},
    {list({str("a")}), list({list({small('a')})})},
    {tuple({small(7)}), tuple({int32(7)}, 105)},
    {tuple({small(7), small(7)})},
    {tuple({tuple({small(7)}), small(7)})},
    {bits("\xe0", 3), bits("\xff", 3)},
    {bits("\xe0", 4)},
    {bits(bytes("\0\xe0"), 3)},
    {bin("\xe0")},
    {pid(103, atom(100, "a"), 1), pid(88, atom(119, "a"), 1)},
    {pid(88, atom(119, "a"), 2)},
    {pid(88, atom(119, "b"), 1)},
    {reference(101, atom(100, "a"), 1), reference(114, atom(115, "a"), 1, 1),
     reference(90, atom(119, "a"), 1, 1)},
    {reference(114, atom(100, "a"), 1), reference(90, atom(119, "a"), 1)},
    {map({})},
    {map({bin("a"), small(7), atom(100, "b"), nil}),
     map({atom(119, "b"), str(""), bin("a"), int32(7)})},
    {map({bin("a"), small(7), atom(100, "b"), small(7)})},
};

void refuses_a_key_twice_however_it_is_spelled(void**) {
    for (const auto& spellings : equal_terms)
        for (const auto& a : spellings)
            for (const auto& b : spellings) {
                check(!accepts(map({a, nil, b, nil})), a + b);
                check(!accepts(map({a, nil, bin("x"), nil, b, nil})), a + b);
                check(!accepts(map({map({a, nil, b, nil}), nil})), a + b);
                check(!accepts(map({tuple({a}), nil, tuple({b}), nil})), a + b);
                check(!accepts(map({list({a}), nil, list({b}), nil})), a + b);
                check(!accepts(map(
                          {map({bin("x"), a}), nil, map({bin("x"), b}), nil})),
                      a + b);
            }
}

void accepts_keys_that_differ(void**) {
    for (const auto& some : equal_terms)
        for (const auto& others : equal_terms) {
            if (&some == &others)
                continue;
            for (const auto& a : some)
                for (const auto& b : others) {
                    check(accepts(map({a, nil, b, nil})), a + b);
                    check(accepts(map({tuple({a}), nil, tuple({b}), nil})),
                          a + b);
                }
        }
}

// Would take quadratic time in a simple reader: as many keys as fit, nested in
// keys as deep as allowed.
void many_keys_in_many_keys(void**) {
    std::vector<std::string> terms;
    for (int i = 0; i < 4000; ++i) {
        terms.push_back(i % 2 ? int32(i) : bin(be(i, 2)));
        terms.push_back(small(1));
    }
    auto term = map(terms);
    for (std::size_t depth = 1; depth <= term::max_key_maps; ++depth)
        term = map({term, nil});
    check(accepts(term));
    terms.push_back(int32(1));
    terms.push_back(nil);
    check(!accepts(map(terms)));
}

// Random bytes, and good terms with a byte changed, do not crash the reader.
// What is accepted has a valid length.
void random_bytes_do_no_harm(void**) {
    std::mt19937 random(4);
    int accepted = 0;
    for (int i = 0; i < 200'000; ++i) {
        auto term = good_terms[random() % std::size(good_terms)];
        for (auto changes = random() % 3 + 1; changes > 0; --changes)
            term[random() % term.size()] = static_cast<char>(random());
        if (!accepts(term))
            continue;
        ++accepted;
        assert_int_equal(term::length(term), term.size());
    }
    check(accepted > 1000);
}

}  // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(accepts_every_type),
        cmocka_unit_test(refuses_what_is_cut_off_or_goes_on),
        cmocka_unit_test(refuses_another_version),
        cmocka_unit_test(refuses_every_other_tag),
        cmocka_unit_test(refuses_what_erlang_refuses),
        cmocka_unit_test(refuses_lengths_beyond_the_end),
        cmocka_unit_test(bounds_the_depth_by_the_items_alone),
        cmocka_unit_test(bounds_the_items),
        cmocka_unit_test(refuses_a_key_twice_however_it_is_spelled),
        cmocka_unit_test(accepts_keys_that_differ),
        cmocka_unit_test(many_keys_in_many_keys),
        cmocka_unit_test(random_bytes_do_no_harm),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
