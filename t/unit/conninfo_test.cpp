// Connection strings: their errors, and the parameters that libpq gets.
#include "postgres/conninfo.hpp"

#include <unistd.h>

#include <cstdlib>

#include "postgres/pool.hpp"
#include "unit.hpp"

namespace {

using namespace sigra::postgres;
using sigra::unit::check;
using sigra::unit::check_bytes;

std::string last(const Parameters& parameters, const std::string& keyword) {
    std::string value = "(none)";
    for (const auto& [name, text] : parameters) {
        if (name == keyword) {
            value = text;
        }
    }
    return value;
}

double no_chance() {
    return 0;
}

// "host hostaddr port" of each address, in the order in which it is tried.
std::string order(const ConnInfo& info, const Addresses& addresses,
                  const std::function<double()>& random = no_chance) {
    std::string list;
    for (const Attempt& attempt : info.attempts(addresses, random)) {
        const auto parameters = info.parameters(attempt);
        list += (list.empty() ? "" : ", ") + last(parameters, "host") + " " +
                last(parameters, "hostaddr") + " " + last(parameters, "port");
        if (!attempt.session_attrs.empty()) {
            list += " " + last(parameters, "target_session_attrs");
        }
    }
    return list;
}

void check_hosts(const std::string& conninfo, const Addresses& addresses,
                 const std::string& expected) {
    const ConnInfo info(conninfo, Milliseconds(0));
    check_bytes(info.error(), "", conninfo);
    check_bytes(order(info, addresses), expected, conninfo);
}

Parameters first(const ConnInfo& info, const Addresses& addresses = {}) {
    const Attempts attempts = info.attempts(addresses, no_chance);
    return attempts.empty() ? Parameters() : info.parameters(attempts[0]);
}

void errors_do_not_repeat_the_password(void**) {
    for (const char* conninfo : {
             "host=h password=one hunter2",
             "postgresql://u:hunter2@[::1/db",
             "postgresql://u:hunter2@h:%zz/db",
             "password='hunter2",
             "host=h hunter2",
             "postgresql://u:%hunter2@h/db",
             "postgresql://u:hunter2@h/db?x",
         }) {
        const std::string error = conninfo_error(conninfo);
        check(!error.empty(), conninfo);
        check(error.find("hunter2") == std::string::npos, error);
        check(ConnInfo(conninfo, Milliseconds(0)).error() == error, error);
    }
    check(!conninfo_error(std::string("host=h\0x", 8)).empty());
    check(conninfo_error("hostt=h").find("hostt") != std::string::npos);
    for (const char* conninfo : {"", "host=h password='a b'",
                                 "postgresql://u:p@h,i:1/db?sslmode=on"}) {
        check_bytes(conninfo_error(conninfo), "", conninfo);
    }
}

void names_become_addresses(void**) {
    const Addresses addresses = {{"a", {"10.0.0.1", "::1"}},
                                 {"b", {"10.0.0.2"}}};
    check_hosts("host=a port=7", addresses, "a 10.0.0.1 7, a ::1 7");
    check_hosts("host=a,b port=1,2", addresses,
                "a 10.0.0.1 1, a ::1 1, b 10.0.0.2 2");
    check_hosts("host=b,a,/run port=1,2,3", {{"a", {"10.0.0.1"}}},
                "a 10.0.0.1 2, /run  3");
    check_hosts("host=/run,127.0.0.1 port=5", addresses,
                "/run  5, 127.0.0.1  5");
    check_hosts("host=x,a hostaddr=9.9.9.9, port=5", {{"a", {"8.8.8.8"}}},
                "x 9.9.9.9 5, a 8.8.8.8 5");
    check_hosts("postgresql://a:1,b:2/db", addresses,
                "a 10.0.0.1 1, a ::1 1, b 10.0.0.2 2");
    const ConnInfo info("host=a,b,a,/run,::1,@abstract", Milliseconds(0));
    check(info.names() == std::vector<std::string>{"a", "b"});
    check(info.attempts({}, no_chance).size() == 3, "sockets are left");
    check(
        ConnInfo("host=a,b", Milliseconds(0)).attempts({}, no_chance).empty());
}

void the_good_address_comes_first(void**) {
    ConnInfo info("host=a,b,/run port=1", Milliseconds(0));
    const Addresses addresses = {{"a", {"10.0.0.1", "::1"}},
                                 {"b", {"10.0.0.2"}}};
    info.worked({"b", "10.0.0.2", "1"});
    check_bytes(order(info, addresses),
                "b 10.0.0.2 1, a 10.0.0.1 1, a ::1 1, /run  1");
    // The host's name resolves to another address by now.
    check_bytes(order(info, {{"b", {"10.0.0.3"}}}), "b 10.0.0.3 1, /run  1");
    info.leave({"b", "10.0.0.2", "1"});
    check_bytes(order(info, addresses),
                "a 10.0.0.1 1, a ::1 1, /run  1, b 10.0.0.2 1");
    info.worked({"a", "::1", "1"});
    check_bytes(order(info, addresses),
                "a ::1 1, a 10.0.0.1 1, /run  1, b 10.0.0.2 1");
    info.worked({"b", "10.0.0.2", "1"});
    check_bytes(order(info, addresses),
                "b 10.0.0.2 1, a 10.0.0.1 1, a ::1 1, /run  1");
}

void a_standby_if_there_is_one(void**) {
    ConnInfo info("host=a,b port=1 target_session_attrs=prefer-standby",
                  Milliseconds(0));
    const Addresses addresses = {{"a", {"1.1.1.1"}}, {"b", {"2.2.2.2"}}};
    check_bytes(order(info, addresses),
                "a 1.1.1.1 1 standby, b 2.2.2.2 1 standby,"
                " a 1.1.1.1 1 any, b 2.2.2.2 1 any");
    const auto several = [](const std::string& conninfo) {
        return ConnInfo(conninfo, Milliseconds(0)).may_reach_several_servers();
    };
    check(several("host=a,b"));
    check(several("hostaddr=1.1.1.1,2.2.2.2"));
    check(several("host=a,b target_session_attrs=prefer-standby"));
    check(!several("host=a,b target_session_attrs=read-write"));
    check(!several("host=a,b target_session_attrs=primary"));
    check(!several("host=a") && !several(""));
}

void defaults_come_from_the_environment(void**) {
    setenv("PGHOST", "a,b", 1);
    setenv("PGPORT", "1,2", 1);
    setenv("PGOPTIONS", "-c geqo=off", 1);
    const ConnInfo info("user=x", Milliseconds(250));
    check(info.names() == std::vector<std::string>{"a", "b"});
    const auto parameters = first(info, {{"b", {"10.0.0.2"}}});
    check_bytes(last(parameters, "port"), "2");
    check_bytes(last(parameters, "options"),
                "-c geqo=off -c TimeZone=UTC -c statement_timeout=250");
    unsetenv("PGHOST");
    unsetenv("PGPORT");
    unsetenv("PGOPTIONS");
}

void what_is_asked_for_stays(void**) {
    ConnInfo info("gssencmode=require application_name=mine",
                  Milliseconds(250));
    const auto parameters = first(info);
    check_bytes(last(parameters, "gssencmode"), "require");
    check_bytes(last(parameters, "application_name"), "mine");
    check_bytes(last(parameters, "client_encoding"), "UTF8");
    check_bytes(last(parameters, "channel_binding"), "(none)");
    check_bytes(last(first(ConnInfo("", Milliseconds(0))), "gssencmode"),
                "disable");
    check(info.refuse_options());
    check(!info.refuse_options());
    check_bytes(last(first(info), "options"), "");
}

// Keepalives are set, unless the connection string or the environment sets
// them.
void the_kernel_looks_after_it(void**) {
    const ConnInfo info("", Milliseconds(0));
    check_bytes(last(first(info), "keepalives_idle"), "30");
    check_bytes(last(first(info), "keepalives_interval"), "5");
    check_bytes(last(first(info), "keepalives_count"), "3");
    check_bytes(last(first(info), "tcp_user_timeout"), "15000");
    const ConnInfo own("keepalives_idle=7 tcp_user_timeout=0", Milliseconds(0));
    check_bytes(last(first(own), "keepalives_idle"), "7");
    check_bytes(last(first(own), "tcp_user_timeout"), "0");
    check_bytes(last(first(own), "keepalives_count"), "3");
}

void a_service_says_it(void**) {
    char path[] = "/tmp/sigra-service-XXXXXX";
    const int file = mkstemp(path);
    const std::string text =
        "[login]\nhost=a,b\nport=7\nkeepalives_idle=9\n"
        "target_session_attrs=read-write\nuser=x\n";
    check(write(file, text.data(), text.size()) ==
          static_cast<ssize_t>(text.size()));
    close(file);
    setenv("PGSERVICEFILE", path, 1);
    const ConnInfo info("service=login", Milliseconds(0));
    unsetenv("PGSERVICEFILE");
    unlink(path);
    check_bytes(order(info, {{"a", {"1.1.1.1"}}, {"b", {"2.2.2.2"}}}),
                "a 1.1.1.1 7, b 2.2.2.2 7");
    check_bytes(last(first(info, {{"a", {"1.1.1.1"}}}), "keepalives_idle"),
                "(none)");
    check(!info.may_reach_several_servers());
}

void lists_have_to_fit(void**) {
    for (const char* conninfo :
         {"host=a,b port=1,2,3", "host=a,b hostaddr=1.1.1.1",
          "hostaddr=1.1.1.1,2.2.2.2 host=a", "host=a port=1,2"}) {
        check(!ConnInfo(conninfo, Milliseconds(0)).error().empty(), conninfo);
    }
}

}  // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(errors_do_not_repeat_the_password),
        cmocka_unit_test(names_become_addresses),
        cmocka_unit_test(defaults_come_from_the_environment),
        cmocka_unit_test(what_is_asked_for_stays),
        cmocka_unit_test(the_good_address_comes_first),
        cmocka_unit_test(a_standby_if_there_is_one),
        cmocka_unit_test(the_kernel_looks_after_it),
        cmocka_unit_test(a_service_says_it),
        cmocka_unit_test(lists_have_to_fit),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
