// auth_sigra_close_on_revoke: what has passed in this worker because of a
// session and what is still open, a WebSocket, an event stream, a download. It
// ends with its session.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "nginx/conf/conf.hpp"
#include "nginx/gate/lookup.hpp"
#include "nginx/gate/visit.hpp"
#include "nginx/ngx.hpp"
#include "postgres/reactor.hpp"

namespace sigra::nginx {

class Worker;
struct OpenRequest;

class OpenRequests {
  public:
    // Both outlive this object.
    OpenRequests(Worker& worker, postgres::Reactor& reactor);
    ~OpenRequests();
    OpenRequests(const OpenRequests&) = delete;
    OpenRequests& operator=(const OpenRequests&) = delete;

    // A main request that passes now, by `conf`'s rules. A verdict that is not
    // of this turn of the loop is asked for again: its end may have been heard
    // since.
    void add(Visit& visit, const LocationConf& conf);
    // The request goes, or is not to end with its session.
    void forget(Visit& visit);

    void revoked_token(std::string_view hash);  // ends
    void revoked_user(std::string_view id);     // asks again
    // Asks again, by the one channel; null: by all.
    void doubt(const ChannelConf* channel);

  private:
    using List = std::list<OpenRequest>;

    static void answered(void* data, const LookupResult& result) noexcept;

    void schedule_expiry(OpenRequest& open);
    void expired(OpenRequest& open);
    void enqueue(OpenRequest& open);
    void end_later(OpenRequest& open);
    void move(OpenRequest& open, List& to);
    void ask();
    void ask(OpenRequest& open);
    void take(OpenRequest& open, const LookupResult& result);
    void end_all();

    Worker& worker_;
    postgres::Reactor& reactor_;
    // Each request is in one of these, and found by its token.
    List resting_;
    List queued_;  // to be asked again
    List asking_;
    List ending_;
    std::unordered_multimap<std::uint64_t, OpenRequest*> by_token_;
    // Never from inside what made it necessary: ending one may end others.
    std::unique_ptr<postgres::Posted> end_;
    std::unique_ptr<postgres::Posted> ask_;
    std::unique_ptr<postgres::Timer> retry_;
};

// A node of OpenRequests' lists, which own it; the visit points to it, and may
// have gone on to another location with another session by now.
struct OpenRequest {
    OpenRequests* owner;
    Visit* visit;
    const LocationConf* conf;  // the cycle's that the request came with
    Lookup::Key key;
    const Source* source;
    std::string stored;      // the token as its row has it
    LookedUp found;          // what it names is the request's pool's
    std::string attributes;  // when it passed
    std::list<OpenRequest>* list;
    std::list<OpenRequest>::iterator self;
    std::unique_ptr<postgres::Timer> expiry;
    Waiter waiter;
    bool doubted;  // while it is being asked for
};

}  // namespace sigra::nginx
