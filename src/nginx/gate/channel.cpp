#include "nginx/gate/channel.hpp"

#include "nginx/conf/conf.hpp"
#include "nginx/counters.hpp"
#include "nginx/worker.hpp"

namespace sigra::nginx {
namespace {

postgres::ListenerOptions options_of(const ChannelConf& conf) {
    const Database& database = *conf.database;
    postgres::ListenerOptions options;
    options.conninfo =
        database.listen.empty() ? database.options.conninfo : database.listen;
    options.channel = conf.name;
    options.layouts = conf.layouts;
    options.connect_timeout = database.options.connect_timeout;
    options.max_reconnect_delay = database.options.max_reconnect_delay;
    return options;
}

}  // namespace

Channel::Channel(Worker& worker, postgres::Reactor& reactor,
                 const ChannelConf& conf)
    : worker_(worker),
      conf_(conf),
      listener_(reactor, options_of(conf), *this) {
    for (const Zone* zone : conf.zones) {
        epochs_.emplace_back(zone, never);
    }
    add_state(Counter::channels_down, 1);
}

Channel::~Channel() {
    add_state(told_up_ ? Counter::channels_up : Counter::channels_down, -1);
}

void Channel::tell(bool up) {
    if (up == told_up_) {
        return;
    }
    told_up_ = up;
    add_state(Counter::channels_up, up ? 1 : -1);
    add_state(Counter::channels_down, up ? -1 : 1);
}

void Channel::lost() {
    if (told_up_) {
        count(Counter::channel_lost);
    }
    tell(/*up=*/false);
}

// Older connections of the pool may lead to another server than the one that
// the channel listens to; the pool closes those that do. It closes them all if
// the channel was up before, because what cut it may have cut them too, and
// behind a pooler, which may have connected them to another server since they
// were opened. What was revoked before this moment was not heard, so lookups
// under way are repeated and open requests are looked up again.
void Channel::listening() {
    tell(/*up=*/true);
    if (postgres::Pool* pool = worker_.pool(*conf_.database)) {
        const bool is_pooled = !conf_.database->listen.empty();
        const bool again = std::exchange(was_up_, true);
        pool->renew(is_pooled || again ? 0 : listener_.server());
    }
    for (std::size_t i = 0; i < epochs_.size(); i++) {
        epochs_[i].second = conf_.zones[i]->next_seq();
    }
    worker_.lookup().marks().revoked_all();
    worker_.open_requests().doubt(&conf_);
}

void Channel::revoked_token(std::string_view hash) {
    count(Counter::revocation_token);
    for (Zone* zone : conf_.zones) {
        zone->revoke_token(hash);
    }
    worker_.lookup().marks().revoked_token(hash);
    worker_.open_requests().revoked_token(hash);
}

void Channel::revoked_user(std::string_view id) {
    count(Counter::revocation_user);
    for (Zone* zone : conf_.zones) {
        zone->revoke_user(id);
    }
    worker_.lookup().marks().revoked_user(id);
    worker_.open_requests().revoked_user(id);
}

void Channel::revoked_all() {
    count(Counter::revocation_all);
    for (Zone* zone : conf_.zones) {
        zone->revoke_all();
    }
    worker_.lookup().marks().revoked_all();
    worker_.open_requests().doubt(&conf_);
}

}  // namespace sigra::nginx
