// The zone with several processes: one writes while another reads without the
// lock, and one is killed after each instruction of a change in turn.
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <functional>

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

// True if everything takes ten times as many instructions.
bool under_sanitizer() {
    return std::getenv("SANITIZE") != nullptr;
}

// Forks a child that runs `what`. It is killed when this process ends, and does
// not return to the tests.
pid_t child(const std::function<void()>& what) {
    const pid_t parent = getpid();
    const pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() == parent) {
            what();
        }
        _exit(0);
    }
    check(pid > 0);
    return pid;
}

int status_of(pid_t pid) {
    int status = 0;
    check(waitpid(pid, &status, 0) == pid);
    return status;
}

void what_one_writes_another_reads(void**) {
    Shared shared;
    View zone(shared);
    const Session ada = session_of("1", "ada@example.com");
    int status = status_of(child([&] {
        View other(shared);
        if (!settle(other, hash_of(1), other.seq(), now, &ada)) {
            _exit(1);
        }
    }));
    check(status == 0 && finds(zone, hash_of(1)));
    const std::uint64_t before = zone.seq();
    status = status_of(child([&] { View(shared).revoke_user("1"); }));
    check(status == 0 && !finds(zone, hash_of(1)));
    check(!settle(zone, hash_of(1), before, now, &ada), "the mark is seen");
}

// All parts of the entry contain the same number, to detect a mixture of two.
Session numbered(unsigned number, std::string& text) {
    text = std::to_string(number) +
           std::string(number % 150, static_cast<char>('a' + number % 26));
    Session session = session_of(text, "");
    session.age_ms = session.authenticated_age_ms.emplace(number);
    session.idle_ms = number;
    session.authenticated_at = number;
    return session;
}

bool is_whole(const ZoneEntry& entry) {
    const auto number = static_cast<unsigned>(entry.authenticated_at);
    std::string text;
    (void)numbered(number, text);
    const std::int64_t moment = now - number;
    return entry.inserted_at == moment && entry.authenticated == moment &&
           entry.active_at == moment && entry.user_id() == text;
}

// Two processes keep writing the same few cells while this one reads.
void never_reads_a_mixture(void**) {
    constexpr unsigned tokens = 8;
    Shared shared;
    View zone(shared);
    pid_t writers[2];
    for (unsigned i = 0; i < 2; i++) {
        writers[i] = child([&, i] {
            View other(shared);
            std::string text;
            for (unsigned number = i;; number += 2) {
                const Session session = numbered(number % 5000, text);
                (void)settle(other, hash_of(number / 3 % tokens), other.seq(),
                             now, &session);
                if (number % 64 == i) {
                    other.revoke_token(view(hash_of(number % tokens)));
                }
            }
        });
    }
    std::uint32_t places[tokens];
    std::fill(places, places + tokens, no_cell);
    unsigned found = 0;
    unsigned mixed = 0;
    for (unsigned i = 0; found < 200'000; i++) {
        ZoneEntry entry;
        if (zone.find(hash_of(i % tokens), source, places[i % tokens], entry)) {
            found++;
            mixed += is_whole(entry) ? 0 : 1;
        }
    }
    for (const pid_t writer : writers) {
        kill(writer, SIGKILL);
        (void)status_of(writer);
    }
    check(mixed == 0, std::to_string(mixed) + " of 200000 were mixtures");
}

// Lets `pid`, which has stopped itself, execute so many instructions. Returns
// false if it was done before that, and stopped itself again.
bool goes_on_for(pid_t pid, unsigned instructions) {
    int status = status_of(pid);
    check(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
    for (unsigned i = 0; i < instructions; i++) {
        check(ptrace(PTRACE_SINGLESTEP, pid, nullptr, nullptr) == 0);
        status = status_of(pid);
        check(WIFSTOPPED(status));
        if (WSTOPSIG(status) == SIGSTOP) {
            return false;
        }
    }
    return true;
}

bool killed_after(pid_t pid, unsigned instructions) {
    const bool in_the_middle = goes_on_for(pid, instructions);
    kill(pid, SIGKILL);
    check(WIFSIGNALED(status_of(pid)));
    return in_the_middle;
}

// A reader is stopped after each of its instructions in turn, while its entry
// is replaced, or its cell is given to another session. What it reads is
// completely old or completely new.
void changed_while_it_reads(void**) {
    constexpr int old = 120;
    constexpr int replaced = 121;
    const auto reader = [](Shared& shared) {
        View zone(shared);
        ZoneEntry entry;
        std::uint32_t place = no_cell;
        (void)zone.find(hash_of(1), source, place, entry);
        ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
        (void)raise(SIGSTOP);
        const bool found = zone.find(hash_of(1), source, place, entry);
        (void)raise(SIGSTOP);
        _exit(!found                          ? 1
              : !is_whole(entry)              ? 2
              : entry.authenticated_at == old ? 3
                                              : 4);
    };
    unsigned seen[5] = {};
    bool goes_on = true;
    for (unsigned at = 1; goes_on; at += under_sanitizer() ? 16 : 1) {
        for (const bool is_revoked : {false, true}) {
            Shared shared;
            View zone(shared);
            std::string text;
            Session session = numbered(old, text);
            check(settle(zone, hash_of(1), zone.seq(), now, &session));
            const pid_t pid = child([&] { reader(shared); });
            goes_on = goes_on_for(pid, at);
            if (is_revoked) {
                zone.revoke_token(view(hash_of(1)));
            }
            session = numbered(replaced, text);
            const unsigned whose = is_revoked ? 2 : 1;
            check(settle(zone, hash_of(whose), zone.seq(), now, &session));
            int status = 0;
            do {
                check(ptrace(PTRACE_CONT, pid, nullptr, nullptr) == 0);
                status = status_of(pid);
            } while (WIFSTOPPED(status));
            check(WIFEXITED(status));
            check(WEXITSTATUS(status) != 2, "a mixture");
            seen[WEXITSTATUS(status) % 5]++;
        }
    }
    check(seen[1] > 10 && seen[3] > 1 && seen[4] > 10, "all that can be");
}

// Kills a process during a change. Afterwards the zone works, and has the old
// entry, the new one, or none. If `ends` is true and the entry is gone, an
// answer from before is not believed.
void survives(const std::function<void(Zone&)>& change, bool ends) {
    const Session ada = session_of("1", "ada@example.com");
    const Session bob = session_of("2", "bob@example.com");
    const Session eve = session_of("3", "eve@example.com");
    unsigned killed = 0;
    unsigned emptied = 0;
    // The steps grow, so that the loop soon gets past the end of the change.
    for (unsigned at = 1;; at += 1 + at / (under_sanitizer() ? 12 : 32)) {
        Shared shared;
        View zone(shared);
        check(settle(zone, hash_of(1), zone.seq(), now, &ada));
        check(settle(zone, hash_of(2), zone.seq(), now, &bob));
        const std::uint64_t before = zone.seq();
        const pid_t pid = child([&] {
            View other(shared);
            ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
            (void)raise(SIGSTOP);
            change(other);
            (void)raise(SIGSTOP);
        });
        const bool in_the_middle = killed_after(pid, at);
        killed += in_the_middle ? 1 : 0;
        const bool has_ada = finds(zone, hash_of(1));
        const bool has_bob = finds(zone, hash_of(2));
        emptied += has_bob ? 0 : 1;
        check(has_bob || !has_ada, "emptied means all");
        if (ends) {
            check(has_ada || !settle(zone, hash_of(1), before, now, &ada),
                  "gone, and back again by an answer from before");
        }
        for (unsigned i = 0; i < 900; i++) {
            check(settle(zone, hash_of(100 + i), zone.seq(), now, &eve));
        }
        check(finds(zone, hash_of(999)));
        zone.revoke_user("3");
        check(!finds(zone, hash_of(999)));
        if (!in_the_middle) {
            break;
        }
    }
    check(killed > 20, std::to_string(killed) + " killed");
    check(emptied > 5, std::to_string(emptied) + " found it half changed");
}

void killed_while_it_stores(void**) {
    survives(
        [](Zone& zone) {
            const Session dan = session_of("4", "dan@example.com");
            (void)settle(zone, hash_of(4), zone.seq(), now, &dan);
        },
        false);
}

void killed_while_it_replaces(void**) {
    survives(
        [](Zone& zone) {
            const Session ada = session_of("1", "ada@example.org");
            (void)settle(zone, hash_of(1), zone.seq(), now, &ada);
        },
        false);
}

void killed_while_it_revokes_a_token(void**) {
    survives([](Zone& zone) { zone.revoke_token(view(hash_of(1))); }, true);
}

void killed_while_it_revokes_a_user(void**) {
    survives([](Zone& zone) { zone.revoke_user("1"); }, true);
}

void killed_while_it_bars(void**) {
    survives([](Zone& zone) { zone.bar(hash_of(1)); }, true);
}

}  // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(what_one_writes_another_reads),
        cmocka_unit_test(never_reads_a_mixture),
        cmocka_unit_test(changed_while_it_reads),
        cmocka_unit_test(killed_while_it_stores),
        cmocka_unit_test(killed_while_it_replaces),
        cmocka_unit_test(killed_while_it_revokes_a_token),
        cmocka_unit_test(killed_while_it_revokes_a_user),
        cmocka_unit_test(killed_while_it_bars),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
