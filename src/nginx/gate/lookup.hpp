// Looks up the user of a token in PostgreSQL. Requests that ask for the same
// token at the same time share one query.
#pragma once

#include <bit>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "cache/marks.hpp"
#include "nginx/conf/conf.hpp"
#include "nginx/ngx.hpp"
#include "phoenix/crypto.hpp"
#include "postgres/pool.hpp"

namespace sigra::nginx {

struct LookupResult {
    enum class State {
        found,
        absent,     // the database knows no such session
        no_answer,  // out of reach, too slow, or refused: fail closed
    };
    State state = State::no_answer;
    postgres::SessionRow row;
    std::string attributes;  // the row's, encoded
    ngx_msec_t at = 0;       // ngx_current_msec when the answer came
    // The reason for no_answer; ok: the row could not be read.
    postgres::Status failure = postgres::Status::ok;
    std::uint64_t server = 0;  // postgres::Outcome::server

    // No server has answered, so a stale entry of the cache may be used.
    [[nodiscard]] bool out_of_reach() const {
        return failure == postgres::Status::timeout ||
               failure == postgres::Status::unavailable;
    }
};

// A caller that waits for a lookup. Owned by the caller, which detaches it when
// it no longer waits.
struct Waiter {
    ngx_queue_t link;
    void* data;
    void (*wake)(void* data, const LookupResult& result) noexcept;
    bool waiting;
    ngx_msec_t since;  // ngx_current_msec of ask()
};

class Lookup {
  public:
    struct Key {
        phoenix::Sha256 token_hash;
        std::uint64_t fingerprint;
        // Whose revocations the answer is checked against and where it is
        // stored; null: nowhere.
        const Cache* cache = nullptr;
        bool operator==(const Key&) const = default;
    };

    // Sends a lookup, or joins one that is under way for the same key. `pool`
    // and `source` outlive it. `stored` is the token as the row has it.
    // `waiter` is woken from the event loop, never from inside this call.
    // Throws bad_alloc.
    void ask(postgres::Pool& pool, const Source& source, const Key& key,
             std::string_view stored, Waiter& waiter);

    static void detach(Waiter& waiter);

    // Whether a cached session may be looked up again because a condition or an
    // attribute could not be evaluated. Each call counts towards a limit,
    // because a missing table makes every session of a location such a case,
    // and each takes several queries.
    [[nodiscard]] bool may_ask_again() {
        constexpr unsigned max_a_second = 100;
        if (ngx_current_msec - again_since_ >= 1000) {
            again_since_ = ngx_current_msec;
            again_ = 0;
        }
        return again_++ < max_a_second;
    }

    // The revocations that this worker has heard of. A lookup that was sent
    // before one of them is repeated.
    cache::Marks& marks() { return marks_; }

  private:
    // The conditions and attributes of the source that one query evaluates, a
    // bit for each.
    struct Part {
        std::uint64_t conditions = 0;
        std::uint32_t attributes = 0;

        bool operator==(const Part&) const = default;
        [[nodiscard]] std::size_t size() const {
            return static_cast<std::size_t>(std::popcount(conditions)) +
                   static_cast<std::size_t>(std::popcount(attributes));
        }
    };
    struct Flight {
        Flight() { ngx_queue_init(&waiters); }
        Flight(const Flight&) = delete;
        Flight& operator=(const Flight&) = delete;

        const Key* key = nullptr;  // its key in flights_
        ngx_queue_t waiters;       // the oldest first
        postgres::Pool* pool = nullptr;
        const Source* source = nullptr;
        std::string stored;
        std::uint64_t sent = 0;       // marks_.seq() when it was sent
        std::uint64_t zone_sent = 0;  // the zone's seq() then
        bool fresh = true;            // one server, no outdated connection
        std::uint64_t server = 0;     // the one that answered the last part
        std::chrono::steady_clock::time_point begun;  // when it was sent
        unsigned asked = 0;
        // A condition that raises an error must not fail requests that need
        // only the others. So after an error the query is repeated in parts,
        // and `found` collects their results.
        Part part;
        std::vector<Part> parts;  // not sent yet
        std::optional<postgres::SessionRow> found;
    };
    struct Hash {
        std::size_t operator()(const Key& key) const;
    };

    // All conditions and attributes of the source.
    [[nodiscard]] static Part whole(const Facts& facts);
    void send(Flight& flight);
    void submit(Flight& flight);
    bool ask_in_parts(Flight& flight, const postgres::Outcome& outcome);
    bool ask_next_part(Flight& flight);
    bool put_together(Flight& flight, LookupResult& result);
    bool resend(Flight& flight);
    bool goes_on(Flight& flight, const postgres::Outcome& outcome,
                 ngx_queue_t& over);
    bool overtaken(const Flight& flight, const LookupResult& result,
                   bool fresh) const;
    void log_refusal(std::string text);
    void warn_of_misfit(const Key& key, const LookupResult& result);
    void answered(Flight& flight, postgres::Outcome&& outcome);

    // A flight is owned here until it is answered. A request that ends before
    // only detaches its waiter.
    std::unordered_map<Key, Flight, Hash> flights_;
    cache::Marks marks_;
    // The server's error that was logged last, and when.
    std::string refusal_;
    ngx_msec_t refusal_at_ = 0;
    bool misfit_logged_ = false;
    // For may_ask_again(): when the current second began, and the calls in it.
    ngx_msec_t again_since_ = 0;
    unsigned again_ = 0;
};

}  // namespace sigra::nginx
