// Implements postgres::Reactor with nginx's events and thread pools.
#pragma once

#include "nginx/ngx.hpp"
#include "postgres/reactor.hpp"

namespace sigra::nginx {

class NgxReactor final : public postgres::Reactor {
  public:
    // `threads` resolves names; both outlive the reactor.
    NgxReactor(ngx_log_t* log, ngx_thread_pool_t* threads);

    std::unique_ptr<postgres::Watch> watch(
        int descriptor, postgres::IoHandler& handler) override;
    std::unique_ptr<postgres::Timer> timer(std::function<void()> fire,
                                           bool keeps_alive) override;
    std::unique_ptr<postgres::Posted> posted(
        std::function<void()> run) override;
    std::unique_ptr<postgres::Resolution> resolve(const std::string& host,
                                                  Resolved done) override;
    postgres::Milliseconds now() const override;
    double random() override;
    void log(postgres::LogLevel level, std::string_view message) override;

  private:
    ngx_log_t* log_;              // the cycle's
    ngx_thread_pool_t* threads_;  // the configuration's
};

}  // namespace sigra::nginx
