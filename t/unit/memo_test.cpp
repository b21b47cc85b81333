// The memo of cookies compared with a plain map, the memory that it takes, and
// the tag of a cookie.
#include <array>
#include <cstring>
#include <fstream>
#include <random>
#include <set>
#include <unordered_map>

#include "cache/session_memo.hpp"
#include "unit.hpp"

namespace {

using namespace sigra::cache;
using namespace sigra::unit;

constexpr SessionMemo::Keys keys{1, 2};

// Like a signed cookie, it ends with random characters.
void write_cookie(std::string& value, unsigned number) {
    std::mt19937_64 random(number);
    for (std::size_t i = value.size() - 40; i < value.size(); i++) {
        value[i] = static_cast<char>('a' + random() % 26);
    }
}

std::string cookie(unsigned number, std::size_t length = 300) {
    std::string value(length, 'A');
    write_cookie(value, number);
    return value;
}

SessionMemo::Remembered what_of(unsigned number) {
    SessionMemo::Remembered what{};
    std::memcpy(what.token.data(), &number, sizeof(number));
    std::memcpy(what.token_hash.data(), &number, sizeof(number));
    return what;
}

// The number that the cookie was remembered with; nullopt if it is not known.
std::optional<unsigned> known(SessionMemo& memo, std::string_view value,
                              const SessionMemo::Keys& under = keys) {
    const SessionMemo::Remembered* found = memo.find(value, under);
    if (found == nullptr) {
        return std::nullopt;
    }
    unsigned number = 0;
    std::memcpy(&number, found->token.data(), sizeof(number));
    check(std::memcmp(found->token_hash.data(), &number, sizeof(number)) == 0);
    return number;
}

void knows_what_it_was_told(void**) {
    SessionMemo memo;
    const std::string value = cookie(1);
    check(!known(memo, value));
    memo.remember(value, keys, what_of(1));
    check(known(memo, value) == 1U);
    check(!known(memo, value, {2, 2}) && !known(memo, value, {1, 1}),
          "not under other keys");
    for (std::size_t i = 0; i < value.size(); i++) {
        std::string other = value;
        other[i] ^= 1;
        check(!known(memo, other), "another at " + std::to_string(i));
        check(!known(memo, value.substr(i + 1)), "without its beginning");
        check(!known(memo, value.substr(0, i)), "without its end");
    }
    check(!known(memo, value + std::string(1, '\0')), "longer by a NUL");
    memo.find(value, keys)->place_in_zone = 5;
    check(memo.find(value, keys)->place_in_zone == 5);
    for (const std::size_t length : {40, 41, 47, 48, 4096}) {
        const std::string one = cookie(7, length);
        memo.remember(one, keys, what_of(9));
        check(known(memo, one) == 9U, std::to_string(length));
    }
    memo.remember("", keys, what_of(3));
    memo.remember("short", keys, what_of(4));
    check(known(memo, "") == 3U && known(memo, "short") == 4U);
    const std::string huge = cookie(8, 4097);
    memo.remember(huge, keys, what_of(1));
    check(!known(memo, huge), "too long to be remembered");
}

// A new cookie is found at once, no cookie is taken for another, and of those
// that should fit only few were evicted.
void does_as_a_map_does(void**) {
    SessionMemo memo;
    std::unordered_map<unsigned, unsigned> plain;
    std::mt19937 random(10);
    unsigned added = 0;
    for (unsigned step = 0; added < 60'000; step++) {
        if (step % 3 != 0) {
            const unsigned number = random() % (added + 1);
            const auto found = known(memo, cookie(number));
            check(!found || *found == plain.at(number));
            continue;
        }
        const unsigned number = added++;
        check(!known(memo, cookie(number)));
        plain[number] = random();
        memo.remember(cookie(number), keys, what_of(plain[number]));
        check(known(memo, cookie(number)) == plain[number]);
        if ((added & (added - 1)) == 0 || added == 60'000) {
            unsigned there = 0;
            for (unsigned i = 0; i < added; i++) {
                const auto found = known(memo, cookie(i));
                check(!found || *found == plain.at(i));
                there += found ? 1 : 0;
            }
            // The tagger's key is random, so even a few cookies may meet in a
            // set that is full.
            check(there + added / 20 + 4 >= added,
                  std::to_string(there) + " of " + std::to_string(added));
        }
    }
}

// The memory that this process has written to, in bytes. Rss also counts pages
// of the program's file, sixteen at a time, and statm is not exact.
std::size_t resident() {
    std::ifstream rollup("/proc/self/smaps_rollup");
    std::string word;
    while (rollup >> word && word != "Anonymous:") {
    }
    std::size_t kilobytes = 0;
    rollup >> kilobytes;
    check(kilobytes != 0);
    return kilobytes * 1024;
}

// At most 512 bytes for each cookie beyond the initial table, and 17 MB if it
// is full: the documented figures.
void takes_memory_as_it_is_filled(void**) {
    // Reuses one string, because a sanitizer keeps freed memory.
    std::string value = cookie(0, 60);
    const auto filled = [&](SessionMemo& memo, unsigned from, unsigned to) {
        for (unsigned i = from; i < to; i++) {
            write_cookie(value, i);
            memo.remember(value, keys, what_of(i));
        }
    };
    {
        SessionMemo warm_up;
        filled(warm_up, 0, 100);
    }
    constexpr std::size_t slack = std::size_t{64} * 1024;
    const std::size_t before = resident();
    SessionMemo memo;
    unsigned from = 0;
    for (const unsigned count : {40U, 1000U, 9000U, 40'000U, 400'000U}) {
        filled(memo, from, count);
        from = count;
        const std::size_t taken = resident() - before;
        const std::size_t most = count * std::size_t{512};
        check(taken <= slack + std::min(most, std::size_t{17} << 20),
              std::to_string(count) + " took " + std::to_string(taken));
        for (unsigned i = 0; i < count; i++) {
            write_cookie(value, i);
            (void)known(memo, value);
        }
        check(resident() - before <=
                  slack + std::min(most, std::size_t{17} << 20),
              "looking takes none");
    }
}

// Compares the tag with NH as it is defined, for values of all lengths.
void tags_differ(void**) {
    const CookieTagger tagger;
    const CookieTagger another;
    std::set<CookieTag> tags;
    std::string value = cookie(3, 512);
    for (std::size_t i = 0; i < value.size(); i++) {
        for (const char bit : {1, 2, 64}) {
            std::string other = value;
            other[i] ^= bit;
            check(tags.insert(tagger.tag(other)).second);
        }
    }
    check(tags.insert(tagger.tag(value)).second);
    check(tagger.tag(value) == tagger.tag(std::string(value)));
    check(tagger.tag(value) != another.tag(value), "a key of its own");
    for (std::size_t length = 1; length < 40; length++) {
        const std::string one(length, 'x');
        std::string two = one;
        two.back() = 'y';
        check(tagger.tag(one) != tagger.tag(two), std::to_string(length));
    }
    // The alignment of the value does not matter.
    const std::string moved = "123" + value;
    check(tagger.tag(value) == tagger.tag(std::string_view(moved).substr(3)));
}

}  // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(knows_what_it_was_told),
        cmocka_unit_test(does_as_a_map_does),
        cmocka_unit_test(takes_memory_as_it_is_filled),
        cmocka_unit_test(tags_differ),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
