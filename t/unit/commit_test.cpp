// A write is successful only once its transaction is committed.
#include "bench.hpp"
#include "postgres/pool.hpp"
#include "statements_cases.hpp"
#include "unit.hpp"

namespace {

using namespace sigra::postgres;
using namespace sigra::test;
using sigra::unit::check;

const std::string database = "sigra_commit";

// A deferred constraint is checked at the commit, after the DELETE has
// succeeded.
void a_commit_that_fails(void**) {
    Site site(database, cases[0]);
    site.user("ann@example.com");
    site.login(1, "ann@example.com", "2 hours");
    site.session.run(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE 'commit fails'; END $$;"
        "CREATE CONSTRAINT TRIGGER refuse AFTER DELETE ON " +
        site.layout.tokens +
        " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW"
        " EXECUTE FUNCTION refuse()");
    PoolOptions options;
    options.conninfo = conninfo(database);
    options.timeout = Milliseconds(20000);
    Bench bench(options);
    bench.pool->add_layout(site.layout);
    check(bench.status_of(1) == Status::ok);
    const auto log_out = bench.ask(0, Statement::logout,
                                   {token_parameter(1), token_parameter(0),
                                    text("86400"), text("5184000")});
    check(bench.status(log_out) == Status::unavailable);
    check(bench.status_of(1) == Status::ok, "the session is still there");
}

}  // namespace

int main() {
    const CMUnitTest tests[] = {cmocka_unit_test(a_commit_that_fails)};
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
