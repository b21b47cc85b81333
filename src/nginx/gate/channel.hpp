// A worker's subscription to one revocation channel. What is revoked there is
// removed from the zones.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "cache/zone.hpp"
#include "nginx/conf/cache_conf.hpp"
#include "postgres/listener.hpp"
#include "postgres/pool.hpp"
#include "postgres/reactor.hpp"

namespace sigra::nginx {

class Worker;

class Channel final : public postgres::ListenerObserver {
  public:
    // All outlive the channel; `worker` owns it.
    Channel(Worker& worker, postgres::Reactor& reactor,
            const ChannelConf& conf);
    ~Channel();

    void start() { listener_.start(); }
    [[nodiscard]] const ChannelConf& conf() const { return conf_; }
    [[nodiscard]] bool up() const { return listener_.up(); }
    [[nodiscard]] std::optional<postgres::ConnectionFigure> connection() const {
        return listener_.connection();
    }
    // The server that it listens to; see postgres::Outcome::server.
    [[nodiscard]] std::uint64_t server() const { return listener_.server(); }
    // An entry whose stamp is older than this is not trusted: its session may
    // have been revoked before this worker listened.
    [[nodiscard]] std::uint64_t epoch(const Zone& zone) const {
        for (const auto& [known, epoch] : epochs_) {
            if (known == &zone) {
                return epoch;
            }
        }
        return never;
    }

    void listening() override;
    void lost() override;
    void revoked_token(std::string_view hash) override;
    void revoked_user(std::string_view id) override;
    void revoked_all() override;

  private:
    static constexpr std::uint64_t never =
        std::numeric_limits<std::uint64_t>::max();

    void tell(bool up);

    Worker& worker_;
    const ChannelConf& conf_;
    bool was_up_ = false;
    bool told_up_ = false;  // what the counters show
    std::vector<std::pair<const Zone*, std::uint64_t>> epochs_;
    postgres::Listener listener_;
};

}  // namespace sigra::nginx
