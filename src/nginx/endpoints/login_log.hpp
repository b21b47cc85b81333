// Records the result of a login: variables, counters, a line in the log.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "nginx/gate/login_result.hpp"
#include "nginx/gate/visit.hpp"
#include "nginx/ngx.hpp"

namespace sigra::nginx {

struct LoginStory {
    LoginResult result = LoginResult::none;
    std::string_view reason;  // for a refusal; empty: the result's name
    std::optional<std::string> email;  // as it was typed
    std::string_view user_id;          // of a login that is ok
    std::string_view user_email;
};

void tell(ngx_http_request_t* r, Visit& visit, const LoginStory& story);

}  // namespace sigra::nginx
