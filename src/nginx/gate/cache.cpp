#include "nginx/gate/cache.hpp"

#include <algorithm>

#include "nginx/gate/channel.hpp"
#include "nginx/worker.hpp"

namespace sigra::nginx {
namespace {

constexpr std::int64_t dead_for_ms = 1000;

// The cache's revocation channel; null while this worker hears nothing.
const Channel* heard(const Cache& cache) {
    const Worker* w = worker();
    const Channel* channel = w == nullptr || cache.channel == nullptr
                                 ? nullptr
                                 : w->channel(*cache.channel);
    return channel != nullptr && channel->up() ? channel : nullptr;
}

bool is_young(const Cache& cache, const ZoneEntry& cell) {
    const std::int64_t limit = cell.has(ZoneEntry::dead)
                                   ? std::min(dead_for_ms, cache.ttl_ms)
                                   : cache.ttl_ms;
    return monotonic_ms() - cell.verified_at < limit;
}

cache::Session session_of(const LookupResult& result) {
    const postgres::SessionRow& row = result.row;
    return {row.user_id,
            row.email,
            row.age_ms,
            row.authenticated_at,
            row.authenticated_age_ms,
            row.idle_ms,
            row.remember_me,
            row.met,
            row.judged,
            row.readable,
            result.attributes};
}

}  // namespace

[[gnu::hot]] bool find_trusted(const Cache& cache, const Lookup::Key& key,
                               std::uint32_t& place, ZoneEntry& out,
                               cache::ZoneFacts* facts) {
    const Channel* channel = cache.require_listen ? heard(cache) : nullptr;
    if (cache.require_listen && channel == nullptr) {
        return false;
    }
    return cache.zone->find(key.token_hash, key.fingerprint, place, out,
                            facts) &&
           is_young(cache, out) &&
           (channel == nullptr || (!out.has(ZoneEntry::unlistened) &&
                                   out.stamp >= channel->epoch(*cache.zone) &&
                                   out.server == channel->server()));
}

bool find_stale(const Cache& cache, const Lookup::Key& key, ZoneEntry& out,
                cache::ZoneFacts* facts) {
    std::uint32_t place = no_cell;
    return cache.stale_ms != 0 &&
           cache.zone->find(key.token_hash, key.fingerprint, place, out,
                            facts) &&
           !out.has(ZoneEntry::dead) &&
           monotonic_ms() - out.verified_at <= cache.stale_ms &&
           !cache.zone->barred(key.token_hash);
}

// Only answers of the server that the channel listens to are stored: it does
// not report what another server revokes.
bool settle(const Lookup::Key& key, std::uint64_t sent,
            const LookupResult& result, bool fresh) {
    const Channel* channel = heard(*key.cache);
    const bool listened = channel != nullptr;
    const bool store = listened ? channel->server() == result.server
                                : !key.cache->require_listen;
    const cache::Session session = session_of(result);
    return key.cache->zone->settle(
        {key.token_hash, key.fingerprint, sent,
         static_cast<std::int64_t>(result.at),
         result.state == LookupResult::State::found ? &session : nullptr,
         fresh && store, listened, result.server});
}

}  // namespace sigra::nginx
