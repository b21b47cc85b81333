// auth_sigra_close_on_revoke: the requests of this worker that have passed
// because of a session and are still open, such as a WebSocket, an event stream
// or a download. A request is ended when its session ends.
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

    // Adds a main request that passes now by the rules of `conf`. A verdict
    // from an earlier turn of the event loop is looked up again, because its
    // session may have been revoked since. Throws bad_alloc.
    void add(Visit& visit, const LocationConf& conf);
    // Removes a request that is over, or that should outlive its session.
    void forget(Visit& visit);

    void revoked_token(std::string_view hash);  // ends its requests
    void revoked_user(std::string_view id);     // looks them up again
    // Looks up again all requests that depend on the channel; null: on any.
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
    // Each request is in one of these lists, and by_token_ finds it.
    List resting_;
    List queued_;  // to be looked up again
    List asking_;
    List ending_;
    std::unordered_multimap<std::uint64_t, OpenRequest*> by_token_;
    // Requests are ended from a posted event, never directly: ending one may
    // end others.
    std::unique_ptr<postgres::Posted> end_;
    std::unique_ptr<postgres::Posted> ask_;
    std::unique_ptr<postgres::Timer> retry_;
};

// An element of OpenRequests' lists, which own it. The visit points to it, but
// may have gone on to another location with another session since, so all that
// is needed of the session is copied here.
struct OpenRequest {
    OpenRequests* owner;
    Visit* visit;
    const LocationConf* conf;  // the cycle's that the request came with
    Lookup::Key key;
    const Source* source;
    std::string stored;      // the token as its row has it
    LookedUp found;          // its strings live in the request's pool
    std::string attributes;  // when it passed
    std::list<OpenRequest>* list;
    std::list<OpenRequest>::iterator self;
    std::unique_ptr<postgres::Timer> expiry;
    Waiter waiter;
    bool doubted;  // must be looked up once more after this answer
};

}  // namespace sigra::nginx
