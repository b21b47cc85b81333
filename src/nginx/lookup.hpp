// A token's hash in, a user out: one query for all that ask at once.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>

#include "nginx/conf.hpp"
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
    ngx_msec_t at = 0;  // ngx_current_msec when the answer came
};

// One that waits. Lives in the request's pool; its owner detaches it when the
// request goes first.
struct Waiter {
    ngx_queue_t link;
    void* data;
    void (*wake)(void* data, const LookupResult& result) noexcept;
    bool waiting;
};

class Lookup {
  public:
    struct Key {
        phoenix::Sha256 token_hash;
        std::uint64_t fingerprint;
        bool operator==(const Key&) const = default;
    };

    // `pool` and `source` outlive every flight: both are the cycle's.
    // `stored` is the token as the row has it. `waiter` is woken from the
    // event loop, never from inside this call.
    void ask(postgres::Pool& pool, const Source& source, const Key& key,
             std::string_view stored, Waiter& waiter);

    static void detach(Waiter& waiter);

  private:
    struct Flight {
        Flight() { ngx_queue_init(&waiters); }
        ngx_queue_t waiters;
    };
    struct Hash {
        std::size_t operator()(const Key& key) const;
    };

    void send(postgres::Pool& pool, const Source& source, const Key& key,
              std::string_view stored);
    void log_refusal(const postgres::Outcome& outcome);
    void answered(const Key& key, postgres::Outcome&& outcome);

    // Owned here until the answer; a request that leaves only detaches.
    std::unordered_map<Key, std::unique_ptr<Flight>, Hash> flights_;
    // What the log was told last of a server that answers with an error.
    std::string refusal_;
    ngx_msec_t refusal_at_ = 0;
};

}  // namespace sigra::nginx
