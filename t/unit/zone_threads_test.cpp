// Reading without the lock, by threads that each have their own view, as
// processes do. It is for ThreadSanitizer (make test-tsan); other builds run it
// for a shorter time.
#include <atomic>
#include <thread>
#include <vector>

#include "shared_memory.hpp"

namespace {

using namespace sigra::cache;
using namespace sigra::unit;

constexpr std::int64_t now = 1'000'000;
constexpr unsigned tokens = 16;

void write(Shared& shared, unsigned seed, const std::atomic<bool>& enough) {
    View zone(shared);
    for (unsigned number = seed; !enough; number += 3) {
        const TokenHash hash = hash_of(number % tokens);
        const std::string id = std::to_string(number % 7);
        const std::string email(number % 150, 'e');
        Session session;
        session.user_id = id;
        session.email = email;
        session.idle_ms = 1;
        (void)settle(zone, hash, zone.seq(), now, &session);
        zone.touch(hash, source, now + number % 100);
        switch (number % 50) {
            case 0:
                zone.revoke_token(view(hash));
                break;
            case 1:
                zone.revoke_user(id);
                break;
            case 2:
                zone.revoke_all();
                break;
            case 3:
                zone.bar(hash);
                break;
            default:
                break;
        }
    }
}

unsigned read(Shared& shared, unsigned seed, unsigned count) {
    View zone(shared);
    std::vector<std::uint32_t> places(tokens, no_cell);
    unsigned wrong = 0;
    unsigned found = 0;
    for (unsigned i = seed; found < count; i++) {
        ZoneEntry entry;
        if (zone.find(hash_of(i % tokens), source, places[i % tokens], entry)) {
            found++;
            wrong += entry.email().find_first_not_of('e') ==
                                 std::string_view::npos &&
                             entry.inserted_at == now
                         ? 0
                         : 1;
        }
    }
    return wrong;
}

void reads_race_with_no_write(void**) {
    // Small, so that cells are evicted and used again.
    Shared shared(Zone::min_size);
    std::atomic<bool> enough{false};
    std::vector<std::thread> writers;
    for (unsigned i = 0; i < 2; i++) {
        writers.emplace_back([&, i] { write(shared, i, enough); });
    }
    std::atomic<unsigned> wrong{0};
    std::thread reader([&] { wrong += read(shared, 5, 20'000); });
    wrong += read(shared, 0, 20'000);
    reader.join();
    enough = true;
    for (std::thread& writer : writers) {
        writer.join();
    }
    check(wrong == 0, std::to_string(wrong));
}

}  // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(reads_race_with_no_write),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
