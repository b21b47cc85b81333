#include "nginx/prune.hpp"

#include <algorithm>
#include <charconv>
#include <string>

#include "nginx/counters.hpp"

namespace sigra::nginx {
namespace {

using postgres::Milliseconds;

constexpr std::int64_t first_within_ms = 60'000;

std::int64_t number_in(const postgres::Outcome& outcome) {
    std::int64_t number = 0;
    if (outcome.rows.size() == 1 && outcome.rows[0].size() == 1 &&
        outcome.rows[0][0]) {
        const std::string& text = *outcome.rows[0][0];
        std::from_chars(text.data(), text.data() + text.size(), number);
    }
    return number;
}

}  // namespace

Prune::Prune(postgres::Reactor& reactor, postgres::Pool& pool,
             const PruneJob& job)
    : reactor_(reactor),
      pool_(pool),
      job_(job),
      timer_(reactor.timer([this] { ask(); }, /*keeps_alive=*/false)) {
    // The first time is soon: otherwise, with a reload each day, a daily
    // interval would never pass.
    const std::int64_t first =
        std::min(job.setting.interval_ms, first_within_ms);
    timer_->start(Milliseconds(static_cast<std::int64_t>(
        static_cast<double>(first) * reactor.random())));
}

// The interval varies, so that nodes that were started together drift apart.
void Prune::rest() {
    const auto interval = static_cast<double>(job_.setting.interval_ms);
    deleted_ = 0;
    timer_->start(Milliseconds(
        static_cast<std::int64_t>(interval * (0.75 + reactor_.random() / 4))));
}

void Prune::ask() {
    if (ngx_exiting != 0) {
        return;
    }
    try {
        pool_.submit({.layout = job_.source->layout,
                      .statement = postgres::Statement::prune,
                      .parameters = {{std::to_string(job_.ttl->standard_s)},
                                     {std::to_string(job_.ttl->remember_me_s)},
                                     {std::to_string(job_.setting.batch)}},
                      .done = [this](postgres::Outcome&& outcome) {
                          answered(outcome);
                      }});
    } catch (...) {
        rest();
    }
}

// After a full batch there may be more rows.
void Prune::answered(const postgres::Outcome& outcome) {
    if (outcome.status != postgres::Status::ok) {
        ngx_str_t message = as_ngx_str(outcome.message);
        ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0,
                      "auth_sigra: expired sessions were not deleted: %V",
                      &message);
        rest();
        return;
    }
    const std::int64_t count = number_in(outcome);
    deleted_ += static_cast<std::uint64_t>(count);
    add(counter(Counter::pruned), static_cast<std::uint64_t>(count));
    if (count >= job_.setting.batch) {
        ask();
        return;
    }
    if (deleted_ > 0) {
        ngx_log_error(NGX_LOG_INFO, ngx_cycle->log, 0,
                      "auth_sigra: %uL expired sessions were deleted",
                      deleted_);
    }
    rest();
}

}  // namespace sigra::nginx
