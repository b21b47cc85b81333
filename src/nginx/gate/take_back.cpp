#include "nginx/gate/take_back.hpp"

#include "nginx/gate/revoke.hpp"
#include "nginx/gate/token.hpp"
#include "nginx/worker.hpp"

namespace sigra::nginx {
namespace {

constexpr std::size_t inserted_at = 2;  // of the outcome's columns

}  // namespace

void take_back(const Rotation& rotation,
               const postgres::Outcome& outcome) noexcept {
    guarded(ngx_cycle->log, [&] {
        Worker* w = worker();
        postgres::Pool* pool =
            w == nullptr ? nullptr : w->pool(*rotation.source->database);
        if (pool == nullptr || outcome.status != postgres::Status::ok ||
            outcome.rows.empty() || outcome.rows[0].size() <= inserted_at) {
            return;
        }
        postgres::Query query;
        query.layout = rotation.source->layout;
        query.statement = postgres::Statement::take_back;
        query.parameters = {{stored_token(*rotation.source, rotation.old_token),
                             /*binary=*/true},
                            {stored_token(*rotation.source, rotation.new_token),
                             /*binary=*/true},
                            {outcome.rows[0][inserted_at]}};
        // What is cached of either token is from before this statement.
        query.done = [old_hash = phoenix::sha256(rotation.old_token),
                      new_hash = phoenix::sha256(rotation.new_token)](
                         postgres::Outcome&&) {
            revoke(old_hash);
            revoke(new_hash);
        };
        pool->submit(std::move(query));
    });
}

}  // namespace sigra::nginx
