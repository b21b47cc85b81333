// The zone in one process: what is stored, found, dropped and evicted, compared
// with a plain map.
#include <sys/mman.h>
#include <unistd.h>

#include <map>
#include <random>
#include <vector>

#include "shared_memory.hpp"

namespace {

using namespace sigra::cache;
using namespace sigra::unit;

constexpr std::int64_t now = 1'000'000;

Session session_of(std::string_view id, std::string_view email) {
    Session session;
    session.user_id = id;
    session.email = email;
    return session;
}

void tells_what_it_was_told(void**) {
    Shared shared;
    View zone(shared);
    Session session = session_of("42", "ada@example.com");
    session.age_ms = 5000;
    session.authenticated_at = 1'700'000'000;
    session.authenticated_age_ms = 4000;
    session.idle_ms = 3000;
    session.remember_me = true;
    const std::uint64_t sent = zone.seq();
    check(settle(zone, hash_of(1), sent, now, &session));
    std::uint32_t place = no_cell;
    ZoneEntry entry;
    // With no place, the right one, a wrong one, and one that does not exist.
    for (const std::uint32_t hint : {no_cell, 0U, 1U, 999'999'999U}) {
        place = hint;
        check(zone.find(hash_of(1), source, place, entry));
        check(place == 0, "its place");
        check_bytes(entry.user_id(), "42");
        check_bytes(entry.email(), "ada@example.com");
        check(entry.verified_at == now && entry.stamp == sent);
        check(entry.inserted_at == now - 5000);
        check(entry.authenticated == now - 4000);
        check(entry.active_at == now - 3000);
        check(entry.authenticated_at == 1'700'000'000);
        check(entry.has(ZoneEntry::remember_me));
        check(!entry.has(ZoneEntry::dead) && !entry.has(ZoneEntry::unlistened));
    }
    check(!finds(zone, hash_of(2)), "another token");
    check(!finds(zone, hash_of(1), source + 1), "another source");

    zone.touch(hash_of(1), source, now + 50);
    zone.touch(hash_of(1), source, now + 20);
    check(zone.find(hash_of(1), source, place, entry));
    check(entry.active_at == now + 50, "touched, and never backwards");
}

void what_it_was_not_told_is_not_known(void**) {
    Shared shared;
    View zone(shared);
    const Session session = session_of("1", "");
    check(settle(zone, hash_of(1), zone.seq(), now, &session));
    std::uint32_t place = no_cell;
    ZoneEntry entry;
    check(zone.find(hash_of(1), source, place, entry));
    check(entry.authenticated == no_time && entry.active_at == no_time &&
          entry.authenticated_at == no_time);
    zone.touch(hash_of(1), source, now + 50);
    check(zone.find(hash_of(1), source, place, entry));
    check(entry.active_at == no_time, "nor by a touch");
}

void infinite_ages(void**) {
    Shared shared;
    View zone(shared);
    for (const std::int64_t age : {INT64_MAX, INT64_MIN, INT64_MAX - 1}) {
        Session session = session_of("1", "");
        session.age_ms = age;
        session.authenticated_age_ms = session.idle_ms = age;
        check(settle(zone, hash_of(1), zone.seq(), now, &session));
        std::uint32_t place = no_cell;
        ZoneEntry entry;
        check(zone.find(hash_of(1), source, place, entry));
        check(age > 0 ? entry.inserted_at < 0 : entry.inserted_at > now);
        check(entry.authenticated != no_time, "known");
        check(entry.active_at == entry.inserted_at);
    }
}

void long_texts(void**) {
    Shared shared;
    View zone(shared);
    unsigned number = 0;
    for (const std::size_t length : {0, 1, 43, 44, 45, 46, 47, 100, 160}) {
        const std::string email(length, 'e');
        const Session session =
            session_of("7d4f1b2c-0000-4000-8000-0123456789ab", email);
        const TokenHash hash = hash_of(++number);
        check(settle(zone, hash, zone.seq(), now, &session));
        std::uint32_t place = no_cell;
        for (int i = 0; i < 2; i++) {
            ZoneEntry entry;
            check(zone.find(hash, source, place, entry));
            check_bytes(entry.user_id(), session.user_id);
            check_bytes(entry.email(), email);
        }
    }
    const std::string email(162, 'e');
    const Session session =
        session_of("7d4f1b2c-0000-4000-8000-0123456789ab", email);
    check(settle(zone, hash_of(99), zone.seq(), now, &session), "believed");
    check(!finds(zone, hash_of(99)), "but not kept");
}

void is_kept_as_the_answer_says(void**) {
    Shared shared;
    View zone(shared);
    const Session ada = session_of("1", "ada");
    const TokenHash hash = hash_of(1);
    check(zone.settle({hash, source, zone.seq(), now, &ada, false, true}));
    check(!finds(zone, hash), "not to be stored");
    check(zone.settle({hash, source, zone.seq(), now, &ada, true, false}));
    std::uint32_t place = no_cell;
    ZoneEntry entry;
    check(zone.find(hash, source, place, entry));
    check(entry.has(ZoneEntry::unlistened));
    // An answer without a row removes the entry, even if it is not stored.
    check(zone.settle({hash, source, zone.seq(), now, nullptr, false, true}));
    check(!zone.find(hash, source, place, entry));
    check(settle(zone, hash, zone.seq(), now, nullptr));
    check(zone.find(hash, source, place, entry));
    check(entry.has(ZoneEntry::dead));
}

void bars(void**) {
    Shared shared;
    View zone(shared);
    const Session ada = session_of("1", "ada");
    const TokenHash hash = hash_of(1);
    check(settle(zone, hash, zone.seq(), now, &ada));
    const std::uint64_t before = zone.seq();
    check(!zone.barred(hash));
    zone.bar(hash);
    check(zone.barred(hash) && !finds(zone, hash));
    check(!settle(zone, hash, before, now, &ada), "asked before it");
    check(settle(zone, hash, zone.seq(), now, &ada), "asked after it");
    check(finds(zone, hash) && zone.barred(hash), "alive, and still barred");
    zone.revoke_token(view(hash));
    check(!zone.barred(hash), "the row is gone");
}

// Random operations, compared with a simple map.
void does_as_a_map_does(void**) {
    struct Known {
        std::string user;
        bool dead;
    };
    Shared shared(std::size_t{1024} * 1024);
    View zone(shared);
    std::map<std::pair<unsigned, std::uint64_t>, Known> plain;
    std::mt19937 random(20);
    std::map<unsigned, std::uint32_t> places;
    for (int step = 0; step < 40'000; step++) {
        const unsigned token = random() % 300;
        const std::uint64_t fingerprint = random() % 3;
        const std::string user = std::to_string(random() % 40);
        const TokenHash hash = hash_of(token);
        switch (random() % 16) {
            case 0:
                zone.revoke_token(view(hash));
                std::erase_if(plain, [&](const auto& known) {
                    return known.first.first == token;
                });
                break;
            case 1:
                zone.revoke_user(user);
                std::erase_if(plain, [&](const auto& known) {
                    return known.second.user == user;
                });
                break;
            case 2:
                if (step % 64 == 0) {
                    zone.revoke_all();
                    plain.clear();
                }
                break;
            case 3:
                check(
                    settle(zone, hash, zone.seq(), now, nullptr, fingerprint));
                plain[{token, fingerprint}] = {"", true};
                break;
            case 4:
            case 5:
            case 6:
            case 7: {
                const Session session = session_of(user, "e");
                check(
                    settle(zone, hash, zone.seq(), now, &session, fingerprint));
                plain[{token, fingerprint}] = {user, false};
                break;
            }
            default:
                shared.now() = shared.now() + random() % 700;
                break;
        }
        const auto known = plain.find({token, fingerprint});
        ZoneEntry entry;
        auto place = places.try_emplace(token, no_cell).first;
        const bool found = zone.find(hash, fingerprint, place->second, entry);
        check(found == (known != plain.end()), std::to_string(step));
        if (found) {
            check(entry.has(ZoneEntry::dead) == known->second.dead);
            check_bytes(entry.user_id(), known->second.user);
        }
    }
}

std::vector<bool> which_are_there(Zone& zone, unsigned count) {
    std::vector<bool> there;
    for (unsigned i = 0; i < count; i++) {
        there.push_back(finds(zone, hash_of(i)));
    }
    return there;
}

void evicts_who_was_not_seen_for_the_longest_time(void**) {
    Shared shared(Zone::min_size);
    const std::uint32_t cells = ZoneGeometry::of_size(Zone::min_size).cells;
    View zone(shared);
    const Session session = session_of("1", "e");
    const auto put = [&](unsigned number) {
        check(settle(zone, hash_of(number), zone.seq(), now, &session));
    };
    for (unsigned i = 0; i < cells; i++) {
        put(i);
    }
    // The first ten are used again a second later: a use is recorded at most
    // once a second.
    shared.now() = shared.now() + 1000;
    for (unsigned i = 0; i < 10; i++) {
        check(finds(zone, hash_of(i)));
    }
    for (unsigned i = 0; i < 20; i++) {
        put(1000 + i);
    }
    const std::vector<bool> there = which_are_there(zone, cells);
    for (unsigned i = 0; i < cells; i++) {
        check(there[i] == (i < 10 || i >= 30), std::to_string(i));
    }
    // Dead sessions evict each other, not live ones.
    for (unsigned i = 0; i < 1000; i++) {
        check(settle(zone, hash_of(5000 + i), zone.seq(), now, nullptr));
    }
    const std::vector<bool> later = which_are_there(zone, cells);
    unsigned gone = 0;
    for (unsigned i = 0; i < cells; i++) {
        gone += there[i] && !later[i] ? 1 : 0;
    }
    check(gone <= 1, std::to_string(gone) + " made room for the dead");
    // Many live sessions evict everything else, and the zone stays consistent.
    for (unsigned i = 0; i < 3 * cells; i++) {
        put(10'000 + i);
    }
    for (unsigned i = 2 * cells; i < 3 * cells; i++) {
        check(finds(zone, hash_of(10'000 + i)), "the last that came");
    }
    check(!finds(zone, hash_of(10'000)));
    zone.revoke_user("1");
    check(!finds(zone, hash_of(10'000 + 3 * cells - 1)));
}

// Uses are remembered from before the LRU order was maintained.
void who_was_used_before_the_order_counts_stays(void**) {
    Shared shared(Zone::min_size);
    const std::uint32_t cells = ZoneGeometry::of_size(Zone::min_size).cells;
    View zone(shared);
    const Session session = session_of("1", "e");
    for (unsigned i = 0; i < 10; i++) {
        check(settle(zone, hash_of(i), zone.seq(), now, &session));
    }
    shared.now() = shared.now() + 1000;
    for (unsigned i = 0; i < 5; i++) {
        check(finds(zone, hash_of(i)));
    }
    for (unsigned i = 10; i < cells + 5; i++) {
        check(settle(zone, hash_of(i), zone.seq(), now, &session));
    }
    const std::vector<bool> there = which_are_there(zone, 10);
    for (unsigned i = 0; i < 10; i++) {
        check(there[i] == (i < 5), std::to_string(i));
    }
}

void fits_its_memory(void**) {
    for (std::size_t size = Zone::min_size; size < (std::size_t{64} << 20);
         size += 4096 + size / 7) {
        const ZoneGeometry geometry = ZoneGeometry::of_size(size);
        check(geometry.bytes() <= size, std::to_string(size));
        check(geometry.bytes() + size / 16 >= size || geometry.cells > 190,
              "most of it is used");
    }
    // The documented figure.
    check(ZoneGeometry::of_size(std::size_t{10} * 1024 * 1024).cells >= 32'400);
}

// The memory contains no addresses.
void may_lie_anywhere(void**) {
    Shared shared;
    const std::size_t size = std::size_t{256} * 1024;
    const int file = memfd_create("zone", 0);
    check(file >= 0 && ftruncate(file, static_cast<off_t>(size)) == 0);
    void* one =
        mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    void* two =
        mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    check(one != MAP_FAILED && two != MAP_FAILED && one != two);
    Zone here(shared.lock, shared.clock());
    Zone there(shared.lock, shared.clock());
    here.create(one, size);
    there.attach(two);
    const Session session = session_of("1", "e");
    for (unsigned i = 0; i < 2000; i++) {
        check(settle(i % 2 == 0 ? here : there, hash_of(i), here.seq(), now,
                     &session));
        check(finds(i % 2 == 0 ? there : here, hash_of(i)));
    }
    here.revoke_user("1");
    check(!finds(there, hash_of(1999)));
    munmap(one, size);
    munmap(two, size);
    close(file);
}

}  // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(tells_what_it_was_told),
        cmocka_unit_test(what_it_was_not_told_is_not_known),
        cmocka_unit_test(infinite_ages),
        cmocka_unit_test(long_texts),
        cmocka_unit_test(is_kept_as_the_answer_says),
        cmocka_unit_test(bars),
        cmocka_unit_test(does_as_a_map_does),
        cmocka_unit_test(evicts_who_was_not_seen_for_the_longest_time),
        cmocka_unit_test(who_was_used_before_the_order_counts_stays),
        cmocka_unit_test(fits_its_memory),
        cmocka_unit_test(may_lie_anywhere),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
