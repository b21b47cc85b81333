// Helpers for the tests of the statements renew and reissue.
#pragma once

#include <string>
#include <vector>

#include "statements_cases.hpp"

namespace sigra::test {

inline const std::string ann = "ann@example.com";
inline const std::string bob = "bob@example.com";
inline const std::string standard = "86400";
inline const std::string remember_me = "5184000";

inline std::vector<Parameter> renewal(int old, int fresh, int remembered = 0,
                                      bool authenticated = false) {
    return {token_parameter(old),        token_parameter(fresh),
            token_parameter(remembered), text(standard),
            text(remember_me),           text(authenticated ? "t" : "f")};
}

inline std::vector<Parameter> reissue(int old, int fresh,
                                      const std::string& age = "3600") {
    return {token_parameter(old), token_parameter(fresh), text(age),
            text(standard), text(remember_me)};
}

// The columns that a new row takes over from the old one.
inline std::string carried(Site& site, int number) {
    std::string columns = site.sessions ? "user_id, type, ip, user_agent"
                                        : "user_id, context, sent_to";
    if (site.has_authenticated_at) {
        columns += ", " + site.authenticated;
    }
    return site.value(number, "row(" + columns + ")");
}

inline void fill(Site& site, int number) {
    site.set(number, site.sessions ? "ip = '192.0.2.1', user_agent = 'a b'"
                                   : "sent_to = 'ann@example.com'");
}

}  // namespace sigra::test
