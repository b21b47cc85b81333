// The input's first line is a stored hash, the rest a password: both are read
// within bounds. Hashes that take long to compute are skipped.
#include "phoenix/password.hpp"

#include <algorithm>
#include <charconv>
#include <string>

#include "fuzz.hpp"

namespace {

using namespace sigra::phoenix;
using sigra::fuzz::require;

enum class Size { tiny, too_long, over_bound };

// The number at `at`.
Size size_of(std::string_view text, std::size_t at, std::uint32_t tiny,
             std::uint32_t bound) {
    const auto end =
        std::min(text.find_first_not_of("0123456789", at), text.size());
    std::uint32_t value = 0;
    const auto parsed =
        std::from_chars(text.data() + at, text.data() + end, value);
    if (parsed.ec == std::errc::result_out_of_range || value > bound)
        return Size::over_bound;
    return value > tiny ? Size::too_long : Size::tiny;
}

struct Named {
    std::string_view name;
    std::uint32_t tiny, bound;
    PasswordCheck over;
};
constexpr Named argon2_numbers[] = {
    {"m=", 64, 262'144, PasswordCheck::memory_over_bound},
    {"t=", 2, 10, PasswordCheck::passes_over_bound},
    {"p=", 8, 64, PasswordCheck::lanes_over_bound},
};

// Whether a number that may be a cost makes the hash slow to compute. Calls
// `over` for each number above its limit.
template <typename Over>
bool is_long(std::string_view hash, Over over) {
    bool found = false;
    const auto look = [&](Size size, PasswordCheck check) {
        found = found || size == Size::too_long;
        if (size == Size::over_bound)
            over(check);
    };
    if (hash.starts_with("$argon2"))
        for (const auto& [name, tiny, bound, check] : argon2_numbers)
            for (auto at = hash.find(name); at != hash.npos;
                 at = hash.find(name, at + 1))
                look(size_of(hash, at + 2, tiny, bound), check);
    if (hash.starts_with("$2") && hash.size() > 4)
        look(size_of(hash, 4, 4, 14), PasswordCheck::cost_over_bound);
    if (hash.starts_with("$pbkdf2-"))
        look(size_of(hash, std::min(hash.find('$', 1), hash.size() - 1) + 1,
                     100, 2'000'000),
             PasswordCheck::rounds_over_bound);
    return found;
}

bool is_over_bound(PasswordCheck check) {
    return check >= PasswordCheck::memory_over_bound &&
           check <= PasswordCheck::rounds_over_bound;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
    const auto [hash, password] =
        sigra::fuzz::first_line(sigra::fuzz::text_of(data, size));
    const Argon2Cost tiny{8, 1, 1};
    (void)needs_rehash(hash, tiny);
    bool seen[16] = {};
    if (is_long(hash,
                [&](auto check) { seen[static_cast<int>(check)] = true; }))
        return sigra::fuzz::not_for_the_corpus;

    const auto check = verify_password(hash, password);
    require(problem_of(check).empty() == (check == PasswordCheck::matches ||
                                          check == PasswordCheck::differs),
            "a problem has its words");
    require(check != PasswordCheck::failed, "there was memory");
    require(!is_over_bound(check) || seen[static_cast<int>(check)],
            "over a bound that is there");
    require(check_password(hash, password, tiny) == check, "the same");
    if (check == PasswordCheck::matches && password.size() < 72)
        require(verify_password(hash, std::string(password) + '+') ==
                    PasswordCheck::differs,
                "another password differs");

    if (size % 16 == 0) {  // now and then, for it is what takes the time
        const auto fresh = hash_argon2id(password, tiny);
        require(verify_password(fresh, password) == PasswordCheck::matches,
                "what was hashed matches");
        require(!needs_rehash(fresh, tiny), "and needs no other hash");
        require(needs_rehash(fresh, {16, 1, 1}), "but where that is weaker");
    }
    return sigra::fuzz::accepted;
}
