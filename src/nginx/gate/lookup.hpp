// A token's hash in, a user out: one query for all that ask at once.
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
    // Of no_answer: why. ok: nothing that can be read.
    postgres::Status failure = postgres::Status::ok;
    std::uint64_t server = 0;  // postgres::Outcome::server

    // No server has answered: what is remembered may do.
    [[nodiscard]] bool out_of_reach() const {
        return failure == postgres::Status::timeout ||
               failure == postgres::Status::unavailable;
    }
};

// One that waits. Lives in the request's pool; its owner detaches it when the
// request goes first.
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
        // Which rules the answer is held to and kept by; null: none.
        const Cache* cache = nullptr;
        bool operator==(const Key&) const = default;
    };

    // `pool` and `source` outlive every flight: both are the cycle's.
    // `stored` is the token as the row has it. `waiter` is woken from the
    // event loop, never from inside this call.
    void ask(postgres::Pool& pool, const Source& source, const Key& key,
             std::string_view stored, Waiter& waiter);

    static void detach(Waiter& waiter);

    // Whether a session that is known may be asked for once more, for what
    // could not be evaluated before; counts it. Where a table is missing that
    // is every session of a location, and each is a handful of queries.
    [[nodiscard]] bool may_ask_again() {
        constexpr unsigned max_a_second = 100;
        if (ngx_current_msec - again_since_ >= 1000) {
            again_since_ = ngx_current_msec;
            again_ = 0;
        }
        return again_++ < max_a_second;
    }

    // What is on its way may be from before: it is asked again.
    cache::Marks& marks() { return marks_; }

  private:
    // Which of the source's conditions and attributes one question is for.
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

        const Key* key = nullptr;  // its own in flights_
        ngx_queue_t waiters;       // in the order of their arrival
        postgres::Pool* pool = nullptr;
        const Source* source = nullptr;
        std::string stored;
        std::uint64_t sent = 0;       // marks_.seq() of then
        std::uint64_t zone_sent = 0;  // the zone's
        bool fresh = true;            // no part of it is of another time
        std::uint64_t server = 0;     // that has answered the last part
        std::chrono::steady_clock::time_point begun;  // when it was sent
        unsigned asked = 0;
        // An error in a condition is not to refuse who is asked for others:
        // then they are asked for in parts, and what was found is put together.
        Part part;
        std::vector<Part> parts;  // yet to be asked
        std::optional<postgres::SessionRow> found;
    };
    struct Hash {
        std::size_t operator()(const Key& key) const;
    };

    // All that the source has.
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

    // Owned here until the answer; a request that leaves only detaches.
    std::unordered_map<Key, Flight, Hash> flights_;
    cache::Marks marks_;
    // What the log was told last of a server that answers with an error.
    std::string refusal_;
    ngx_msec_t refusal_at_ = 0;
    bool misfit_logged_ = false;
    // Of may_ask_again(): how often in the second that began then.
    ngx_msec_t again_since_ = 0;
    unsigned again_ = 0;
};

}  // namespace sigra::nginx
