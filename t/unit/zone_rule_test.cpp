// The revocation rule, step by step: a lookup, the transaction that ends its
// session, and the workers that are notified, in all possible orders.
#include <algorithm>
#include <array>
#include <vector>

#include "cache/marks.hpp"
#include "shared_memory.hpp"

namespace {

using namespace sigra::cache;
using namespace sigra::unit;

constexpr std::int64_t now = 1'000'000;

enum Step {
    sent,       // the lookup is sent with the zone's seq()
    read,       // PostgreSQL reads the row, or finds that it is gone
    answered,   // the worker that sent the lookup gets the answer
    committed,  // the DELETE, or the UPDATE of the user
    heard_one,  // the worker that sent the lookup is notified
    heard_two,  // another worker is notified
    steps,
};

using Order = std::array<Step, steps>;

// All possible orders: the steps of a lookup follow each other, and
// notifications come after the commit.
std::vector<Order> orders() {
    std::vector<Order> all;
    Order order;
    for (int i = 0; i < steps; i++) {
        order[i] = static_cast<Step>(i);
    }
    do {
        const auto at = [&](Step step) {
            return std::find(order.begin(), order.end(), step) - order.begin();
        };
        if (at(sent) < at(read) && at(read) < at(answered) &&
            at(committed) < at(heard_one) && at(committed) < at(heard_two)) {
            all.push_back(order);
        }
    } while (std::next_permutation(order.begin(), order.end()));
    return all;
}

std::string shown(const Order& order) {
    constexpr std::array names = {"sent",      "read",      "answered",
                                  "committed", "heard_one", "heard_two"};
    std::string out;
    for (const Step step : order) {
        out.append(names[step]).append(" ");
    }
    return out;
}

enum class What { token, user, all };

void hear(Zone& zone, What what, const TokenHash& hash) {
    switch (what) {
        case What::token:
            zone.revoke_token(view(hash));
            return;
        case What::user:
            zone.revoke_user("42");
            return;
        case What::all:
            zone.revoke_all();
            return;
    }
}

// `known`: another worker had stored the session in the zone before. `changed`:
// the row still exists afterwards, with another email.
void run(const Order& order, What what, bool known, bool changed) {
    Shared shared;
    View one(shared);
    View two(shared);
    const TokenHash hash = hash_of(1);
    Session before;
    before.user_id = "42";
    before.email = "old@example.com";
    Session after = before;
    after.email = "new@example.com";
    if (known) {
        check(settle(two, hash, two.seq(), now, &before));
    }
    bool is_over = false;  // committed
    bool is_heard = false;
    bool saw_before = false;
    std::uint64_t remembered = 0;
    for (const Step step : order) {
        switch (step) {
            case sent:
                remembered = one.seq();
                break;
            case read:
                saw_before = !is_over;
                break;
            case answered: {
                const Session* row =
                    saw_before ? &before : (changed ? &after : nullptr);
                const bool believed = settle(one, hash, remembered, now, row);
                check(!believed || !saw_before || !is_heard,
                      "believed what was known to be over: " + shown(order));
                check(believed || is_heard,
                      "asked again for nothing: " + shown(order));
                break;
            }
            case committed:
                is_over = true;
                break;
            case heard_one:
            case heard_two:
                hear(step == heard_one ? one : two, what, hash);
                is_heard = true;
                break;
            case steps:
                break;
        }
        ZoneEntry entry;
        std::uint32_t place = no_cell;
        for (Zone* zone :
             {static_cast<Zone*>(&one), static_cast<Zone*>(&two)}) {
            for (int i = 0; i < 2; i++) {
                if (zone->find(hash, source, place, entry) &&
                    !entry.has(ZoneEntry::dead)) {
                    check(!is_heard || entry.email() != "old@example.com",
                          "found after it was heard: " + shown(order));
                }
            }
        }
    }
}

void every_order(void**) {
    const std::vector<Order> all = orders();
    check(all.size() == 40, std::to_string(all.size()));
    for (const Order& order : all) {
        for (const What what : {What::token, What::user, What::all}) {
            for (const bool known : {false, true}) {
                for (const bool changed : {false, true}) {
                    run(order, what, known, changed);
                }
            }
        }
    }
}

// A lookup is not repeated for a revocation before it was sent, nor for one of
// another session.
void others_are_left_alone(void**) {
    Shared shared;
    View zone(shared);
    Session ada;
    ada.user_id = "1";
    unsigned refused = 0;
    for (unsigned i = 0; i < 1000; i++) {
        const std::uint64_t sent_at = zone.seq();
        zone.revoke_token(view(hash_of(10'000 + i)));
        zone.revoke_user(std::to_string(1000 + i));
        refused += settle(zone, hash_of(i), sent_at, now, &ada) ? 0 : 1;
        check(settle(zone, hash_of(i), zone.seq(), now, &ada));
    }
    // A few share a mark with another one: one in 256.
    check(refused < 60, std::to_string(refused));
}

// The user is known only from the row. An answer without a row is judged by the
// mark of the token and the mark for everything.
void a_user_s_mark_needs_the_row(void**) {
    Shared shared;
    View zone(shared);
    Session ada;
    ada.user_id = "1";
    const std::uint64_t sent_at = zone.seq();
    zone.revoke_user("1");
    check(!settle(zone, hash_of(1), sent_at, now, &ada));
    check(settle(zone, hash_of(1), sent_at, now, nullptr), "no row");
    zone.revoke_all();
    check(!settle(zone, hash_of(1), sent_at, now, nullptr));
}

// A lookup that was sent before this worker listened is older than its epoch.
void an_epoch_parts_before_and_after(void**) {
    Shared shared;
    View zone(shared);
    Session ada;
    ada.user_id = "1";
    const std::uint64_t before = zone.seq();
    const std::uint64_t epoch = zone.next_seq();
    check(settle(zone, hash_of(1), before, now, &ada));
    check(settle(zone, hash_of(2), zone.seq(), now, &ada));
    ZoneEntry entry;
    std::uint32_t place = no_cell;
    check(zone.find(hash_of(1), source, place, entry) && entry.stamp < epoch);
    check(zone.find(hash_of(2), source, place, entry) && entry.stamp >= epoch);
}

// A worker's own marks, for lookups without a zone.
void marks(void**) {
    Marks marks;
    const TokenHash hash = hash_of(1);
    const auto overtaken = [&](std::uint64_t since) {
        return std::max(marks.token(view(hash)), marks.user("42")) > since;
    };
    std::uint64_t since = marks.seq();
    check(!overtaken(since));
    marks.revoked_token(view(hash));
    check(overtaken(since) && !overtaken(marks.seq()));
    since = marks.seq();
    marks.revoked_user("42");
    check(overtaken(since) && !overtaken(marks.seq()));
    check(marks.token(view(hash)) <= since, "the token's own mark");
    since = marks.seq();
    marks.revoked_all();
    check(overtaken(since) && !overtaken(marks.seq()));
    since = marks.seq();
    unsigned shared = 0;
    for (unsigned i = 2; i < 202; i++) {
        marks.revoked_token(view(hash_of(i)));
        shared += overtaken(since) ? 1 : 0;
        since = marks.seq();
    }
    check(shared < 20, "few share a mark");
}

}  // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(every_order),
        cmocka_unit_test(others_are_left_alone),
        cmocka_unit_test(a_user_s_mark_needs_the_row),
        cmocka_unit_test(an_epoch_parts_before_and_after),
        cmocka_unit_test(marks),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
