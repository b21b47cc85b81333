// Sessions that take a new token while they are being ended.
#include <algorithm>
#include <string>

#include "bench.hpp"
#include "statements_cases.hpp"
#include "unit.hpp"

namespace {

using namespace sigra::postgres;
using namespace sigra::test;
using sigra::unit::check;
using sigra::unit::check_bytes;

const std::string database = "sigra_rotation";
const std::string ann = "ann@example.com";

// sigra, 1.8, 1.7 and sessions.
std::vector<Case> tried() {
    return {cases[0], cases[3], cases[5], cases[6]};
}

PoolOptions options() {
    PoolOptions options;
    options.conninfo = conninfo(database);
    options.timeout = Milliseconds(20000);
    return options;
}

enum class Rotation { renew, reissue, login };
constexpr Rotation rotations[] = {Rotation::renew, Rotation::reissue,
                                  Rotation::login};

Statement statement_of(Rotation rotation) {
    switch (rotation) {
        case Rotation::renew:
            return Statement::renew;
        case Rotation::reissue:
            return Statement::reissue;
        case Rotation::login:
            break;
    }
    return Statement::login;
}

// Token 1 becomes token 20.
std::vector<Parameter> parameters_of(Rotation rotation, Site& site) {
    std::vector<Parameter> all;
    switch (rotation) {
        case Rotation::renew:
            return {token_parameter(1), token_parameter(20), token_parameter(0),
                    text("86400"),      text("86400"),       text("t")};
        case Rotation::reissue:
            return {token_parameter(1), token_parameter(20), text("3600"),
                    text("86400"), text("86400")};
        case Rotation::login:
            all = {text(site.id(ann)),  text("x"),
                   token_parameter(20), token_parameter(1),
                   token_parameter(0),  text("86400"),
                   text("86400"),       {}};
            if (site.sessions) {
                all.insert(all.end(), {text("standard"), {}, {}});
            }
    }
    return all;
}

enum class End { log_out, everywhere, by_id, password_change };
constexpr End ends[] = {End::log_out, End::everywhere, End::by_id,
                        End::password_change};

// A password change by an application; each statement has its own snapshot.
std::string password_change(Site& site) {
    const std::string id = site.id(ann);
    return "DO $$ BEGIN UPDATE users SET hashed_password = 'new' WHERE id = '" +
           id + "'; DELETE FROM " + site.layout.tokens + " WHERE user_id = '" +
           id + "'; END $$";
}

// Leaves one session, two hours old, of a user with the old password.
void reset(Site& site) {
    site.session.run("DELETE FROM " + site.layout.tokens);
    site.session.run("UPDATE users SET hashed_password = 'x'");
    site.login(1, ann, "2 hours");
}

// Which of the tokens 1 and 20 have a row, read with one statement.
std::string left(Site& site) {
    const auto there = [&](int number) {
        return "EXISTS (SELECT FROM " + site.layout.tokens + " WHERE " +
               site.token_column + " = " + token_sql(number) + ")";
    };
    return site.session.value("SELECT concat_ws(' ', CASE WHEN " + there(1) +
                              " THEN '1' END, CASE WHEN " + there(20) +
                              " THEN '20' END)");
}

// Ends sessions. The module's own statements go through a pool, as in nginx.
class Ender {
  public:
    Ender(Bench& bench, Site& site)
        : bench_(bench), site_(site), application_(database) {
        application_.run("SET application_name = 'nginx auth_sigra'");
    }

    void start(End end) {
        end_ = end;
        switch (end) {
            case End::log_out:
                asked_ = bench_.ask(0, Statement::logout,
                                    {token_parameter(1), token_parameter(0),
                                     text("86400"), text("86400")});
                return;
            case End::everywhere:
                asked_ = bench_.ask(0, Statement::logout_everywhere,
                                    {text(site_.id(ann)), token_parameter(0),
                                     token_parameter(0)});
                return;
            case End::by_id:
                asked_ = bench_.ask(0, Statement::end_session,
                                    {text(site_.id(ann)), text("1"),
                                     text("86400"), text("86400")});
                return;
            case End::password_change:
                application_.start(password_change(site_), {});
                return;
        }
    }
    void finish() {
        if (end_ == End::password_change) {
            application_.finish();
            return;
        }
        check(bench_.status(asked_) == Status::ok, asked_->outcome.message);
    }
    // The rows that the module's statement returned.
    [[nodiscard]] const std::vector<Row>& rows() const {
        return asked_->outcome.rows;
    }

  private:
    Bench& bench_;
    Site& site_;
    Session application_;
    End end_ = End::log_out;
    AskedPtr asked_;
};

std::string said(const Case& a, Rotation rotation, End end) {
    return std::string(a.title) + ", " +
           std::string(name(statement_of(rotation))) + ", end " +
           std::to_string(static_cast<int>(end));
}

void wait_until_blocked(Bench& bench, Session& beside) {
    check(bench.reactor.run_until([&] { return beside.blocked() == 1; }));
}

// An end that waits for an uncommitted rotation then finds all of its rows.
void an_end_waits_for_a_rotation(void**) {
    for (const Case& a : tried()) {
        Site site(database, a);
        site.user(ann);
        Session beside(database);
        Bench bench(options());
        bench.pool->add_layout(site.layout);
        check(bench.status_of(1) == Status::ok);
        Ender ender(bench, site);
        for (const Rotation rotation : rotations) {
            for (const End end : ends) {
                reset(site);
                const std::string sql = site.sql(statement_of(rotation));
                const auto parameters = parameters_of(rotation, site);
                site.session.run("BEGIN");
                check(site.session.run(sql, parameters).size() == 1,
                      said(a, rotation, end));
                ender.start(end);
                wait_until_blocked(bench, beside);
                site.session.run("COMMIT");
                ender.finish();
                check_bytes(left(site), "", said(a, rotation, end));
                if (end == End::password_change) {
                    continue;
                }
                std::vector<std::string> told;
                for (const Row& row : ender.rows()) {
                    told.push_back(row[0].value_or(""));
                }
                std::vector<std::string> gone = {site.hash(20)};
                if (rotation != Rotation::renew) {
                    gone.push_back(site.hash(1));
                }
                std::sort(told.begin(), told.end());
                std::sort(gone.begin(), gone.end());
                check(told == gone, said(a, rotation, end));
            }
        }
    }
}

// A rotation that waits for an end, or finds the user locked, makes no session.
void a_rotation_waits_for_an_end(void**) {
    for (const Case& a : tried()) {
        Site site(database, a);
        site.user(ann);
        Session beside(database);
        Bench bench(options());
        bench.pool->add_layout(site.layout);
        check(bench.status_of(1) == Status::ok);
        for (const Rotation rotation : rotations) {
            for (const End end : ends) {
                reset(site);
                const std::string id = site.value(1, "id");
                site.session.run("BEGIN");
                if (end == End::password_change) {
                    site.session.run(password_change(site));
                } else {
                    site.session.run("DELETE FROM " + site.layout.tokens);
                }
                const AskedPtr asked = bench.ask(0, statement_of(rotation),
                                                 parameters_of(rotation, site));
                if (rotation != Rotation::reissue ||
                    end != End::password_change) {
                    wait_until_blocked(bench, beside);
                    site.session.run("COMMIT");
                }
                check(bench.status(asked) == Status::ok,
                      asked->outcome.message);
                site.session.run("COMMIT");
                // A login with a right password makes a new session.
                const bool anew =
                    rotation == Rotation::login && end != End::password_change;
                check(asked->outcome.rows.size() == (anew ? 1 : 0),
                      said(a, rotation, end));
                check_bytes(left(site), anew ? "20" : "",
                            said(a, rotation, end));
                check(!anew || site.value(20, "id") != id,
                      said(a, rotation, end));
            }
        }
    }
}

// Without forced timing: whichever is first, the session has ended afterwards.
void no_round_leaves_a_session(void**) {
    for (const Case& a : tried()) {
        Site site(database, a);
        site.user(ann);
        Bench bench(options());
        bench.pool->add_layout(site.layout);
        Pool other(bench.reactor, options());
        other.add_layout(site.layout);
        Ender ender(bench, site);
        for (int round = 0; round < 300; round++) {
            const Rotation rotation = rotations[round % 3];
            const End end = ends[round / 3 % 4];
            reset(site);
            auto rotated = std::make_shared<Asked>();
            Query query = {0, statement_of(rotation),
                           parameters_of(rotation, site),
                           [rotated](Outcome&& outcome) {
                               rotated->calls++;
                               rotated->outcome = std::move(outcome);
                           }};
            if (round / 12 % 2 == 0) {
                other.submit(std::move(query));
                ender.start(end);
            } else {
                ender.start(end);
                other.submit(std::move(query));
            }
            ender.finish();
            check(bench.answered({rotated}));
            check(rotated->outcome.status == Status::ok,
                  rotated->outcome.message);
            // A login that came later with a right password is a new session.
            const std::string found = left(site);
            const bool anew =
                rotation == Rotation::login && end != End::password_change;
            // A log-out with the old token does not find a renewed session.
            const bool unknown = rotation == Rotation::renew &&
                                 end == End::log_out && ender.rows().empty();
            check(found.empty() || ((anew || unknown) && found == "20"),
                  said(a, rotation, end) + ": " + found);
            if (anew && found == "20") {
                check_bytes(site.value(20, "id = 1"), "f",
                            said(a, rotation, end));
            }
        }
    }
}

// Whatever the database's default transaction isolation is.
void logins_are_serialized_by_nothing_but_locks(void**) {
    for (const Case& a : tried()) {
        for (const char* level : {"serializable", "repeatable read"}) {
            Site site(database, a);
            site.session.run("ALTER DATABASE " + database +
                             " SET default_transaction_isolation = '" + level +
                             "'");
            Bench bench(options());
            std::vector<std::unique_ptr<Pool>> pools;
            bench.pool->add_layout(site.layout);
            for (int i = 0; i < 4; i++) {
                pools.push_back(
                    std::make_unique<Pool>(bench.reactor, options()));
                pools.back()->add_layout(site.layout);
            }
            for (int i = 0; i < 8; i++) {
                site.user(std::to_string(i) + "@example.com");
            }
            std::vector<AskedPtr> all;
            for (int i = 0; i < 80; i++) {
                auto asked = std::make_shared<Asked>();
                std::vector<Parameter> parameters = {
                    text(site.id(std::to_string(i % 8) + "@example.com")),
                    text("x"),
                    token_parameter(100 + i),
                    token_parameter(0),
                    token_parameter(0),
                    text("86400"),
                    text("86400"),
                    {}};
                if (site.sessions) {
                    parameters.insert(parameters.end(),
                                      {text("standard"), {}, {}});
                }
                pools[static_cast<std::size_t>(i) % pools.size()]->submit(
                    {0, Statement::login, std::move(parameters),
                     [asked](Outcome&& outcome) {
                         asked->calls++;
                         asked->outcome = std::move(outcome);
                     }});
                all.push_back(asked);
            }
            check(bench.answered(all), a.title);
            for (const AskedPtr& asked : all) {
                check(asked->outcome.status == Status::ok &&
                          asked->outcome.rows.size() == 1,
                      asked->outcome.sqlstate + " " + a.title);
            }
            site.session.run("ALTER DATABASE " + database +
                             " RESET default_transaction_isolation");
        }
    }
}

// No user has an email that the database's encoding cannot store.
void an_email_that_does_not_fit_is_unknown(void**) {
    const std::string narrow = "sigra_latin1";
    {
        Session session("postgres");
        session.run("DROP DATABASE IF EXISTS " + narrow + " WITH (FORCE)");
        session.run("CREATE DATABASE " + narrow +
                    " ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'"
                    " TEMPLATE template0");
    }
    load_schema(narrow, "sigra");
    Session session(narrow);
    session.run("SET client_encoding = 'UTF8'");
    session.run(
        "INSERT INTO users (email, hashed_password, inserted_at, updated_at)"
        " VALUES ('j\u00fcrgen@example.com', 'x', now(), now())");
    PoolOptions there = options();
    there.conninfo = conninfo(narrow);
    Bench bench(there);
    Layout layout;
    layout.lockout = true;
    bench.pool->add_layout(layout);
    const auto ask = [&](Statement statement, const std::string& email) {
        std::vector<Parameter> parameters = {text(email)};
        if (statement == Statement::attempt) {
            parameters.insert(parameters.end(), {text("5"), text("900")});
        }
        return bench.ask(0, statement, parameters);
    };
    for (const Statement statement :
         {Statement::find_user, Statement::attempt}) {
        const AskedPtr unknown = ask(statement, "\u65e5\u672c@example.com");
        const AskedPtr known = ask(statement, "j\u00fcrgen@example.com");
        check(bench.status(unknown) == Status::ok,
              unknown->outcome.sqlstate + unknown->outcome.message);
        check(unknown->outcome.rows.empty());
        check(bench.status(known) == Status::ok);
        check(known->outcome.rows.size() == 1);
    }
}

}  // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(an_end_waits_for_a_rotation),
        cmocka_unit_test(a_rotation_waits_for_an_end),
        cmocka_unit_test(no_round_leaves_a_session),
        cmocka_unit_test(logins_are_serialized_by_nothing_but_locks),
        cmocka_unit_test(an_email_that_does_not_fit_is_unknown),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
