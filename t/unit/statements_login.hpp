// Helpers for the tests of the login statement.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "statements_cases.hpp"

namespace sigra::test {

using postgres::Row;
using postgres::Statement;

inline const std::string ann = "ann@example.com";
inline const std::string bob = "bob@example.com";

struct Login {
    std::string id;
    int fresh = 20;
    int replaced = 0;
    int remembered = 0;
    std::optional<std::string> hash = "x";
    std::optional<std::string> better = std::nullopt;
    std::string type = "standard";
};

inline std::vector<Parameter> parameters(const Site& site, const Login& login) {
    std::vector<Parameter> all = {text(login.id),
                                  {login.hash},
                                  token_parameter(login.fresh),
                                  token_parameter(login.replaced),
                                  token_parameter(login.remembered),
                                  text("86400"),
                                  text("5184000"),
                                  {login.better}};
    if (site.sessions) {
        all.push_back(text(login.type));
        all.push_back(text("192.0.2.7"));
        all.push_back({std::nullopt});
    }
    return all;
}

inline std::vector<Row> log_in(Site& site, const Login& login) {
    return site.ask(Statement::login, parameters(site, login));
}

inline void prepare(Site& site) {
    site.user(ann);
    site.user(bob);
}

}  // namespace sigra::test
