// The stored hashes were made by other programs, as the comment above each
// says.
#include "phoenix/password.hpp"

#include <ctime>
#include <thread>
#include <vector>

#include "unit.hpp"

using namespace sigra::phoenix;
using namespace sigra::unit;

namespace {

using enum PasswordCheck;

struct Vector {
    std::string hash, password;
};

const std::string seventy_two(72, 'x');

const Vector vectors[] = {
    // printf 'correct horse' | argon2 saltsalt -id -t 2 -k 1024 -p 4 -l 32 -e
    {"$argon2id$v=19$m=1024,t=2,p=4$c2FsdHNhbHQ$"
     "6+WJoLrpe+EAoeTiDsS1esEawCpIaITINFJrIcY7LbY",
     "correct horse"},
    // printf 'correct horse' | argon2 saltsalt -i -t 3 -k 512 -p 1 -l 32 -e
    {"$argon2i$v=19$m=512,t=3,p=1$c2FsdHNhbHQ$"
     "3WbFaLg0O/63Kl8dJsGVqfPguTfZmuwfyiubehmUpM8",
     "correct horse"},
    // printf 'correct horse' | argon2 saltsalt -d -t 1 -k 64 -p 2 -l 24 -e
    {"$argon2d$v=19$m=64,t=1,p=2$c2FsdHNhbHQ$tct6FutZduaype/4rwqxsldwvfFbi6sq",
     "correct horse"},
    // printf 'correct horse' | argon2 saltsalt -id -v 10 -t 2 -k 1024 -p 1
    //     -l 32 -e
    {"$argon2id$v=16$m=1024,t=2,p=1$c2FsdHNhbHQ$"
     "KLDxDyyFEO72dlItnu3LlOi+k9YzP/0ro/DuffbRhys",
     "correct horse"},
    // The same, as libraries wrote version 16 before there was a version 19.
    {"$argon2id$m=1024,t=2,p=1$c2FsdHNhbHQ$"
     "KLDxDyyFEO72dlItnu3LlOi+k9YzP/0ro/DuffbRhys",
     "correct horse"},
    // printf 'a\0b' | argon2 saltsalt -id -t 2 -k 1024 -p 4 -l 32 -e
    {"$argon2id$v=19$m=1024,t=2,p=4$c2FsdHNhbHQ$"
     "MPnVXpVdOnCBPerLqdW18vAGkTpZYtx8f+k2TLwQpbI",
     bytes("a\0b")},
    // htpasswd -nbBC 5 u 'correct horse'
    {"$2y$05$pNIa1yH7DcWbz.0Dg/VibO6jBmetar4dxfneD4bNOSK0QcpYElHPC",
     "correct horse"},
    // The same with the other prefixes of this algorithm.
    {"$2b$05$pNIa1yH7DcWbz.0Dg/VibO6jBmetar4dxfneD4bNOSK0QcpYElHPC",
     "correct horse"},
    {"$2a$05$pNIa1yH7DcWbz.0Dg/VibO6jBmetar4dxfneD4bNOSK0QcpYElHPC",
     "correct horse"},
    // htpasswd -nbBC 4 u "$(printf 'x%.0s' $(seq 80))"
    {"$2y$04$mNbJrjZXvhT5D2dC/cP53.EIFg6GflKA2N3E/Vj8nWcC2rRTrF5zO",
     seventy_two},
    // htpasswd -nbBC 4 u ''
    {"$2y$04$PLpeLG8wbU0dedbeEDaHJOhDqaTkUWq6j4c4aeuiGfj2RPXFzUqlG", ""},
    // htpasswd -nbBC 4 u 'пароль'
    {"$2y$04$6VQIhDPReZ6FtTQg1VxPj.dHfj7/OGmX0vTrfDmuEwTGP8C1W3x4K",
     "\xd0\xbf\xd0\xb0\xd1\x80\xd0\xbe\xd0\xbb\xd1\x8c"},
    // Python, where ab64 is base64 without padding and with . for +:
    // ab64(hashlib.pbkdf2_hmac("sha512", b"correct horse",
    //     b"\xfb\xff\xfe saltsaltsa", 1000, 64))
    {"$pbkdf2-sha512$1000$.//.IHNhbHRzYWx0c2E$"
     "48cjLnNo.Nd8NwDGzhKS08WkDLDFwOXYvSPCd91ePldRrwlgGbmJOil6zuSywDiaI13xAalw"
     "WKkKz98JrV.ePA",
     "correct horse"},
    // "sha256", b"correct horse", b"saltsaltsalt\xff\xfe", 1000, 32
    {"$pbkdf2-sha256$1000$c2FsdHNhbHRzYWx0//4$"
     "6LYBBKsvkMISdkRZTczIjMpt4hEx0eyUAGprcyghKGA",
     "correct horse"},
    // "sha256", b"correct horse", b"saltsaltsaltsalt", 2000, 64
    {"$pbkdf2-sha256$2000$c2FsdHNhbHRzYWx0c2FsdA$"
     "Og/XVy05zuZ.ttTnZsDUs7palNPQ6pRuCtqbVvqwM6Ssm5aE8sggvaEYaiPFeo6cTwagAuFq"
     "ueihX7DInv91Lw",
     "correct horse"},
    // "sha512", b"a\0b", b"saltsaltsaltsalt", 1, 64
    {"$pbkdf2-sha512$1$c2FsdHNhbHRzYWx0c2FsdA$"
     "aPGIawRBn.AkmPmE1LAzi3OGWV91xGk9HWCJhduv/l6j3qT/z58PbPsb71.0v/2c5S.dr01W"
     "aLPs9vjCyYx/rw",
     bytes("a\0b")},
};

void verifies_what_others_hashed(void**) {
    for (const auto& row : vectors) {
        check(verify_password(row.hash, row.password) == matches, row.hash);
        for (const auto& wrong :
             {row.password.substr(0, row.password.size() / 2) + '!',
              "X" + row.password, std::string("wrong"), bytes("\0")})
            check(verify_password(row.hash, wrong) == differs, row.hash);
    }
}

// A longer password does not match, except beyond the 72 bytes of bcrypt.
void reads_all_of_a_password(void**) {
    for (const auto& row : vectors) {
        const bool is_cut = row.password == seventy_two;
        for (const auto& longer : {row.password + "x", row.password + " ",
                                   row.password + std::string(5000, 'x')})
            check(verify_password(row.hash, longer) ==
                      (is_cut ? matches : differs),
                  row.hash);
    }
}

void a_nul_never_shortens(void**) {
    for (const auto& row : vectors) {
        const bool is_cut = row.password == seventy_two;
        check(verify_password(row.hash, row.password + '\0') ==
                  (is_cut ? matches : differs),
              row.hash);
        check(verify_password(row.hash, row.password + '\0' + "x") ==
                  (is_cut ? matches : differs),
              row.hash);
        if (const auto nul = row.password.find('\0'); nul != std::string::npos)
            check(verify_password(row.hash, row.password.substr(0, nul)) ==
                      differs,
                  row.hash);
    }
}

// Each of these would take hours or all memory, so a missing limit would make
// the test hang.
void asks_the_bounds_before_any_work(void**) {
    const std::string argon2_end =
        "$c2FsdHNhbHQ$6+WJoLrpe+EAoeTiDsS1esEawCpIaITINFJrIcY7LbY";
    const std::string bcrypt_end =
        "$pNIa1yH7DcWbz.0Dg/VibO6jBmetar4dxfneD4bNOSK0QcpYElHPC";
    const std::string pbkdf2_end =
        "$c2FsdHNhbHRzYWx0//4$6LYBBKsvkMISdkRZTczIjMpt4hEx0eyUAGprcyghKGA";
    struct {
        std::string hash;
        PasswordCheck check;
    } const cases[] = {
        {"$argon2id$v=19$m=262145,t=2,p=4" + argon2_end, memory_over_bound},
        {"$argon2id$v=19$m=1073741824,t=2,p=4" + argon2_end, memory_over_bound},
        {"$argon2i$v=19$m=4294967295,t=2,p=4" + argon2_end, memory_over_bound},
        {"$argon2d$m=4294967296,t=2,p=4" + argon2_end, memory_over_bound},
        {"$argon2id$v=19$m=1024,t=11,p=4" + argon2_end, passes_over_bound},
        {"$argon2id$v=19$m=1024,t=4294967296,p=4" + argon2_end,
         passes_over_bound},
        {"$argon2id$v=19$m=262144,t=2,p=65" + argon2_end, lanes_over_bound},
        {"$argon2id$v=19$m=1024,t=2,p=16777216" + argon2_end, lanes_over_bound},
        {"$2b$15" + bcrypt_end, cost_over_bound},
        {"$2y$31" + bcrypt_end, cost_over_bound},
        {"$2a$99" + bcrypt_end, cost_over_bound},
        {"$pbkdf2-sha256$2000001" + pbkdf2_end, rounds_over_bound},
        {"$pbkdf2-sha512$4294967296" + pbkdf2_end, rounds_over_bound},
        {"$pbkdf2-sha512$99999999999999999999" + pbkdf2_end, rounds_over_bound},
    };
    for (const auto& row : cases) {
        check(verify_password(row.hash, "correct horse") == row.check,
              row.hash);
        check(!problem_of(row.check).empty(), row.hash);
    }
}

void a_hash_that_is_cut_off_matches_nothing(void**) {
    for (const auto& row : vectors)
        for (std::size_t size = 0; size < row.hash.size(); ++size) {
            const auto cut = row.hash.substr(0, size);
            check(verify_password(cut, row.password) != matches, cut);
        }
    // A hash with extra characters does not match.
    for (const auto& row : vectors)
        for (const char* more : {"A", "AA", "AAAA", "$", "=", " ", "\n"})
            check(verify_password(row.hash + more, row.password) != matches,
                  row.hash + more);
}

void says_what_is_malformed(void**) {
    const char* hashes[] = {
        "$argon2id$",
        "$argon2id$v=19",
        "$argon2id$v=19$m=1024,t=2,p=4",
        "$argon2id$v=19$m=1024,t=2,p=4$c2FsdHNhbHQ",
        "$argon2id$v=19$m=1024,t=2,p=4$c2FsdHNhbHQ$",
        "$argon2id$v=19$m=1024,t=2,p=4$c2FsdHNhbHQ$6+WJoLrpe",
        "$argon2id$v=18$m=1024,t=2,p=4$c2FsdHNhbHQ$"
        "6+WJoLrpe+EAoeTiDsS1esEawCpIaITINFJrIcY7LbY",
        "$argon2id$v=19$m=0,t=2,p=4$c2FsdHNhbHQ$"
        "6+WJoLrpe+EAoeTiDsS1esEawCpIaITINFJrIcY7LbY",
        "$argon2id$v=19$m=1024,t=0,p=4$c2FsdHNhbHQ$"
        "6+WJoLrpe+EAoeTiDsS1esEawCpIaITINFJrIcY7LbY",
        "$argon2id$v=19$m=31,t=2,p=4$c2FsdHNhbHQ$"
        "6+WJoLrpe+EAoeTiDsS1esEawCpIaITINFJrIcY7LbY",
        "$argon2id$v=19$m=-1,t=2,p=4$c2FsdHNhbHQ$"
        "6+WJoLrpe+EAoeTiDsS1esEawCpIaITINFJrIcY7LbY",
        "$argon2id$v=19$t=2,m=1024,p=4$c2FsdHNhbHQ$"
        "6+WJoLrpe+EAoeTiDsS1esEawCpIaITINFJrIcY7LbY",
        "$argon2id$v=19$m=1024,t=2,p=4$c2FsdA$"
        "6+WJoLrpe+EAoeTiDsS1esEawCpIaITINFJrIcY7LbY",
        "$argon2id$v=19$m=1024,t=2,p=4$c2FsdHNhbHQ$"
        "6-WJoLrpe-EAoeTiDsS1esEawCpIaITINFJrIcY7LbY",
        "$argon2id$v=19$m=1024,t=2,p=4,keyid=x$c2FsdHNhbHQ$"
        "6+WJoLrpe+EAoeTiDsS1esEawCpIaITINFJrIcY7LbY",
        "$2b$",
        "$2b$05$",
        "$2b$05$pNIa1yH7DcWbz.0Dg/VibO6jBmetar4dxfneD4bNOSK0QcpYElHP",
        "$2b$5$$pNIa1yH7DcWbz.0Dg/VibO6jBmetar4dxfneD4bNOSK0QcpYElHPC",
        "$2b$0x$pNIa1yH7DcWbz.0Dg/VibO6jBmetar4dxfneD4bNOSK0QcpYElHPC",
        "$2b$03$pNIa1yH7DcWbz.0Dg/VibO6jBmetar4dxfneD4bNOSK0QcpYElHPC",
        "$2b$05$pNIa1yH7DcWbz.0Dg/VibO6jBmetar4dxfneD4bNOSK0QcpYElHP!",
        "$pbkdf2-sha512$",
        "$pbkdf2-sha512$1000$c2FsdHNhbHRzYWx0//4",
        "$pbkdf2-sha512$0$c2FsdHNhbHRzYWx0//4$"
        "6LYBBKsvkMISdkRZTczIjMpt4hEx0eyUAGprcyghKGA",
        "$pbkdf2-sha256$1000$$6LYBBKsvkMISdkRZTczIjMpt4hEx0eyUAGprcyghKGA",
        "$pbkdf2-sha256$1000$c2FsdHNhbHRzYWx0//4$6LYBBKsvkMIS",
        "$pbkdf2-sha256$1000$c2FsdHNhbHRzYWx0//4$"
        "6LYBBKsvkMISdkRZTczIjMpt4hEx0eyUAGprcyghKGA=",
        "$pbkdf2-sha256$1000$c2FsdHNhbHRzYWx0++4$"
        "6LYBBKsvkMISdkRZTczIjMpt4hEx0eyUAGprcyghKGA",
    };
    for (const auto* hash : hashes)
        check(verify_password(hash, "correct horse") == malformed, hash);
    check(!problem_of(malformed).empty());
}

void knows_no_other_scheme(void**) {
    for (const char* hash :
         {"", "plain", "correct horse", "$1$salt$hash", "$2x$05$", "$2$05$",
          "$5$salt$hash", "$6$salt$hash", "$apr1$", "$argon2$", "$pbkdf2$",
          "pbkdf2_sha256$1000$salt$hash", "argon2id$v=19", " $2b$05$", "*",
          "!"})
        check(verify_password(hash, "correct horse") == unknown_scheme, hash);
    check(!problem_of(unknown_scheme).empty());
    check(problem_of(matches).empty() && problem_of(differs).empty());
}

constexpr Argon2Cost light{64, 1, 2};

void hashes_what_it_verifies(void**) {
    for (const auto& password : {std::string(), std::string("a"), bytes("a\0b"),
                                 std::string(9000, 'x')}) {
        const auto hash = hash_argon2id(password, light);
        check(hash.starts_with("$argon2id$v=19$m=64,t=1,p=2$"), hash);
        check(verify_password(hash, password) == matches, hash);
        check(verify_password(hash, password + "x") == differs, hash);
        check(hash != hash_argon2id(password, light));
    }
    check(hash_argon2id("a", {0, 0, 0}).empty());
}

void asks_for_a_rehash(void**) {
    struct {
        Argon2Cost stored;
        bool needed;
    } const cases[] = {
        {{1024, 2, 2}, false}, {{1024, 2, 1}, false}, {{1024, 2, 8}, false},
        {{2048, 3, 2}, false}, {{1023, 2, 2}, true},  {{1024, 1, 2}, true},
    };
    for (const auto& row : cases)
        check(needs_rehash(hash_argon2id("a", row.stored), {1024, 2, 2}) ==
              row.needed);
    for (const auto& row : vectors) {
        const bool is_current = row.hash.starts_with("$argon2id$v=19$m=1024");
        check(needs_rehash(row.hash, {1024, 2, 4}) == !is_current, row.hash);
    }
    check(needs_rehash("", light));
    check(needs_rehash("$argon2id$v=19$m=1024", light));
}

// Processor time, of all threads: on a busy machine only that is comparable.
double seconds_of(const auto& work) {
    const auto used = [] {
        timespec time{};
        assert_int_equal(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time), 0);
        return static_cast<double>(time.tv_sec) +
               static_cast<double>(time.tv_nsec) / 1e9;
    };
    double best = 1e9;
    for (int i = 0; i < 3; ++i) {
        const double start = used();
        work();
        best = std::min(best, used() - start);
    }
    return best;
}

// Whatever hash is stored, a check takes about as long as a real one. The ratio
// has room; without the dummy check it would be a thousandth.
void what_cannot_match_costs_as_much(void**) {
    constexpr Argon2Cost cost{16384, 2, 4};
    const auto hash = hash_argon2id("right", cost);
    const auto of = [&](std::optional<std::string_view> stored) {
        return seconds_of([&] { (void)check_password(stored, "wrong", cost); });
    };
    const double real = of(hash);
    for (const std::optional<std::string_view> stored :
         {std::optional<std::string_view>(),
          std::optional<std::string_view>(""),
          std::optional<std::string_view>("plain"),
          std::optional<std::string_view>("$argon2id$v=19$m=1024"),
          std::optional<std::string_view>(
              "$argon2id$v=19$m=999999999,t=1,p=1$"
              "c2FsdHNhbHQ$c2FsdHNhbHRzYWx0c2FsdA")}) {
        const double ratio = of(stored) / real;
        check(ratio > 0.3 && ratio < 3, stored.value_or("null"));
    }
}

void reports_what_it_checked(void**) {
    const auto hash = hash_argon2id("right", light);
    check(check_password(hash, "right", light) == matches);
    check(check_password(hash, "wrong", light) == differs);
    check(check_password(std::nullopt, "right", light) == differs);
    check(check_password("plain", "plain", light) == unknown_scheme);
    check(check_password("$2b$15", "a", light) == malformed);
}

void runs_on_many_threads(void**) {
    std::vector<std::thread> threads;
    std::vector<int> wrong(8, 0);
    for (std::size_t i = 0; i < wrong.size(); ++i)
        threads.emplace_back([&wrong, i] {
            for (int round = 0; round < 3; ++round)
                for (const auto& row : vectors) {
                    wrong[i] +=
                        verify_password(row.hash, row.password) != matches;
                    wrong[i] += verify_password(row.hash, "wrong") != differs;
                }
        });
    for (auto& thread : threads)
        thread.join();
    for (const int count : wrong)
        assert_int_equal(count, 0);
}

}  // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(verifies_what_others_hashed),
        cmocka_unit_test(reads_all_of_a_password),
        cmocka_unit_test(a_nul_never_shortens),
        cmocka_unit_test(asks_the_bounds_before_any_work),
        cmocka_unit_test(a_hash_that_is_cut_off_matches_nothing),
        cmocka_unit_test(says_what_is_malformed),
        cmocka_unit_test(knows_no_other_scheme),
        cmocka_unit_test(hashes_what_it_verifies),
        cmocka_unit_test(asks_for_a_rehash),
        cmocka_unit_test(what_cannot_match_costs_as_much),
        cmocka_unit_test(reports_what_it_checked),
        cmocka_unit_test(runs_on_many_threads),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
