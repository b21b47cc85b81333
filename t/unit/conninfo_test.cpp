// Connection strings: what is wrong with them, and what libpq gets.
#include "postgres/conninfo.hpp"

#include <algorithm>

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

void check_hosts(const std::string& conninfo, const Addresses& addresses,
                 const std::string& host, const std::string& hostaddr,
                 const std::string& port) {
    const ConnInfo info(conninfo, Milliseconds(0));
    check_bytes(info.error(), "", conninfo);
    const auto parameters = info.parameters(addresses);
    check_bytes(last(parameters, "host"), host, conninfo);
    check_bytes(last(parameters, "hostaddr"), hostaddr, conninfo);
    check_bytes(last(parameters, "port"), port, conninfo);
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
    check_hosts("host=a port=7", addresses, "a,a", "10.0.0.1,::1", "7,7");
    check_hosts("host=a,b port=1,2", addresses, "a,a,b",
                "10.0.0.1,::1,10.0.0.2", "1,1,2");
    check_hosts("host=b,a,/run port=1,2,3", {{"a", {"10.0.0.1"}}}, "a,/run",
                "10.0.0.1,", "2,3");
    check_hosts("host=/run,127.0.0.1 port=5", addresses, "/run,127.0.0.1", ",",
                "5,5");
    check_hosts("host=x,a hostaddr=9.9.9.9, port=5", {{"a", {"8.8.8.8"}}},
                "x,a", "9.9.9.9,8.8.8.8", "5,5");
    check_hosts("postgresql://a:1,b:2/db", addresses, "a,a,b",
                "10.0.0.1,::1,10.0.0.2", "1,1,2");
    const ConnInfo info("host=a,b,a,/run,::1,@abstract", Milliseconds(0));
    check(info.names() == std::vector<std::string>{"a", "b"});
    check(info.parameters({}).size() > 0, "a socket is left");
    check(ConnInfo("host=a,b", Milliseconds(0)).parameters({}).empty());
}

void defaults_come_from_the_environment(void**) {
    setenv("PGHOST", "a,b", 1);
    setenv("PGPORT", "1,2", 1);
    setenv("PGOPTIONS", "-c geqo=off", 1);
    const ConnInfo info("user=x", Milliseconds(250));
    check(info.names() == std::vector<std::string>{"a", "b"});
    const auto parameters = info.parameters({{"b", {"10.0.0.2"}}});
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
    const auto parameters = info.parameters({});
    check_bytes(last(parameters, "gssencmode"), "require");
    check_bytes(last(parameters, "application_name"), "mine");
    check_bytes(last(parameters, "client_encoding"), "UTF8");
    check_bytes(last(parameters, "channel_binding"), "(none)");
    check_bytes(
        last(ConnInfo("", Milliseconds(0)).parameters({}), "gssencmode"),
        "disable");
    check(info.refuse_options());
    check(!info.refuse_options());
    check_bytes(last(info.parameters({}), "options"), "");
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
        cmocka_unit_test(lists_have_to_fit),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
