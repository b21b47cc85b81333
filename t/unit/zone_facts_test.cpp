// The facts about a user in a zone.
#include <string>

#include "shared_memory.hpp"

namespace {

using namespace sigra::cache;
using namespace sigra::unit;

constexpr std::int64_t now = 1'000'000;
constexpr std::size_t room = 40;
constexpr std::size_t size = std::size_t{256} * 1024;

// A zone with room for `bytes` bytes of attributes.
struct Keeping : Shared {
    explicit Keeping(std::size_t bytes = SharedFacts::bytes_for(room)) {
        Zone(lock, clock()).create(memory.get(), size, bytes);
    }
};

Session session_of(std::uint64_t met, std::uint64_t judged,
                   std::string_view attributes) {
    Session session;
    session.user_id = "42";
    session.email = "ada@example.com";
    session.met = met;
    session.judged = judged;
    session.readable = 5;
    session.attributes = attributes;
    return session;
}

// Finds a session with the lock, and again without it.
bool finds(Zone& zone, unsigned number, ZoneFacts& facts) {
    std::uint32_t place = no_cell;
    ZoneEntry entry;
    const bool found = zone.find(hash_of(number), source, place, entry, &facts);
    ZoneFacts again;
    check(zone.find(hash_of(number), source, place, entry, &again) == found);
    check(!found || (again.met == facts.met && again.judged == facts.judged &&
                     again.readable == facts.readable &&
                     again.attributes() == facts.attributes()));
    return found;
}

void tells_what_it_was_told(void**) {
    Keeping shared;
    View zone(shared);
    const std::string longest(room, 'x');
    unsigned number = 0;
    for (const std::string& attributes :
         {std::string(), std::string("a"), std::string("12345678"),
          std::string("with\0a NUL", 10), longest}) {
        number++;
        const Session session = session_of(~std::uint64_t{0} - number,
                                           ~std::uint64_t{0}, attributes);
        check(settle(zone, hash_of(number), zone.seq(), now, &session));
        ZoneFacts facts;
        check(finds(zone, number, facts), attributes);
        check(facts.met == session.met && facts.judged == session.judged &&
              facts.readable == 5);
        check_bytes(facts.attributes(), attributes);
    }
}

void what_does_not_fit_is_not_kept(void**) {
    Keeping shared;
    View zone(shared);
    check(zone.has_room_for(room) && !zone.has_room_for(room + 1));
    const Session session =
        session_of(1, 1,
                   std::string_view("0123456789"
                                    "0123456789012345678901234567890"));
    check(session.attributes.size() == room + 1);
    check(settle(zone, hash_of(1), zone.seq(), now, &session));
    ZoneFacts facts;
    check(!finds(zone, 1, facts));
}

// find() with facts fails, because the caller must not go on without them.
void a_zone_without_room(void**) {
    Shared shared;
    View zone(shared);
    const Session session = session_of(1, 1, "");
    check(settle(zone, hash_of(1), zone.seq(), now, &session));
    ZoneFacts facts;
    check(!finds(zone, 1, facts));
    check(sigra::unit::finds(zone, hash_of(1)), "but the session is");
}

// An answer that is not stored still removes an entry with other facts.
void what_was_kept_goes_where_it_changes(void**) {
    Keeping shared;
    View zone(shared);
    const auto put = [&](unsigned number, const Session& session, bool store) {
        const TokenHash hash = hash_of(number);
        check(zone.settle(
            {hash, source, zone.seq(), now, &session, store, true}));
    };
    const Session before = session_of(3, 7, "acme");
    unsigned number = 0;
    ZoneFacts facts;
    for (const Session& after :
         {session_of(1, 7, "acme"), session_of(3, 3, "acme"),
          session_of(3, 7, "other"), session_of(3, 7, "")}) {
        put(++number, before, true);
        put(number, before, false);
        check(finds(zone, number, facts), "the same");
        put(number, after, false);
        check(!finds(zone, number, facts), "another");
    }
    const std::string too_long(room + 1, 'x');
    put(++number, before, true);
    put(number, session_of(3, 7, too_long), true);
    check(!finds(zone, number, facts), "what does not fit any more");
}

// A cell that is reused, or whose session is dead or barred, shows nothing of
// the facts that it held before.
void a_cell_is_used_again(void**) {
    Keeping shared;
    View zone(shared);
    ZoneFacts facts;
    for (unsigned i = 0; i < 3000; i++) {
        const std::string attributes = std::to_string(i);
        const Session session = session_of(i, i, attributes);
        check(settle(zone, hash_of(i), zone.seq(), now, &session));
        check(finds(zone, i, facts));
        check(facts.met == i && facts.attributes() == std::to_string(i));
        if (i % 3 == 0) {
            zone.revoke_token(view(hash_of(i)));
            check(!finds(zone, i, facts));
        }
        if (i % 7 == 0) {
            check(settle(zone, hash_of(i), zone.seq(), now, nullptr));
            check(finds(zone, i, facts), "known to be dead");
            check(facts.met == 0 && facts.judged == 0 && facts.length == 0);
        }
    }
}

void fits_its_memory(void**) {
    const std::size_t ten = std::size_t{10} * 1024 * 1024;
    const auto cells = [&](std::size_t facts) {
        const ZoneGeometry geometry =
            ZoneGeometry::of_size(ten, sizeof(ZoneCell) + facts);
        check(geometry.bytes() <= ten);
        return geometry.cells;
    };
    // The documented figures.
    check(cells(SharedFacts::bytes_for(0)) >= 30'100,
          std::to_string(cells(SharedFacts::bytes_for(0))));
    check(cells(SharedFacts::bytes_for(2 * (4 + 64))) >= 21'600,
          std::to_string(cells(SharedFacts::bytes_for(2 * (4 + 64)))));
}

}  // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(tells_what_it_was_told),
        cmocka_unit_test(what_does_not_fit_is_not_kept),
        cmocka_unit_test(a_zone_without_room),
        cmocka_unit_test(what_was_kept_goes_where_it_changes),
        cmocka_unit_test(a_cell_is_used_again),
        cmocka_unit_test(fits_its_memory),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
