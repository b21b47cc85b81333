#include "nginx/gate/channel.hpp"

#include "nginx/conf/conf.hpp"
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
}

// Connections from before may lead to another server than the one that is
// listened to. What was asked over them, and what is open, may have ended
// unheard.
void Channel::listening() {
    if (postgres::Pool* pool = worker_.pool(*conf_.database)) {
        pool->renew();
    }
    for (std::size_t i = 0; i < epochs_.size(); i++) {
        epochs_[i].second = conf_.zones[i]->next_seq();
    }
    worker_.lookup().marks().revoked_all();
    worker_.open_requests().doubt(&conf_);
}

void Channel::revoked_token(std::string_view hash) {
    for (Zone* zone : conf_.zones) {
        zone->revoke_token(hash);
    }
    worker_.lookup().marks().revoked_token(hash);
    worker_.open_requests().revoked_token(hash);
}

void Channel::revoked_user(std::string_view id) {
    for (Zone* zone : conf_.zones) {
        zone->revoke_user(id);
    }
    worker_.lookup().marks().revoked_user(id);
    worker_.open_requests().revoked_user(id);
}

void Channel::revoked_all() {
    for (Zone* zone : conf_.zones) {
        zone->revoke_all();
    }
    worker_.lookup().marks().revoked_all();
    worker_.open_requests().doubt(&conf_);
}

}  // namespace sigra::nginx
