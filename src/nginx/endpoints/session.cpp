#include "nginx/endpoints/session.hpp"

#include "nginx/gate/answer.hpp"
#include "nginx/gate/authenticated_at.hpp"
#include "nginx/gate/facts.hpp"
#include "nginx/gate/response.hpp"

namespace sigra::nginx {

Exchange::Result SessionInfo::advance() {
    switch (identify()) {
        case Decision::ask:
        case Decision::wait:
            return waiting;
        // Other locations decide for themselves whether this user may pass.
        case Decision::pass:
        case Decision::forbidden:
        case Decision::not_fresh:
            return tell();
        case Decision::anonymous:
            set_challenge(conf_, visit_);
            return send_error(r_, NGX_HTTP_UNAUTHORIZED, must_log_in);
        case Decision::no_answer:
            return not_identified();
        case Decision::two_cookies:
            return NGX_HTTP_BAD_REQUEST;
        case Decision::internal_error:
            break;
    }
    return NGX_HTTP_INTERNAL_SERVER_ERROR;
}

ngx_int_t SessionInfo::tell() {
    on_pass(r_, conf_, visit_);
    const auto token = csrf_token();
    const LookedUp& found = visit_.verdict.looked_up;
    const Identity& identity = found.identity;
    const std::int64_t left_s = (ttl_ms(conf_, *visit_.verdict.source, found) -
                                 found.now(found.age_ms)) /
                                1000;
    const Rules* rules = conf_.rules;
    const std::string attributes =
        rules == nullptr || rules->numbers.empty()
            ? ""
            : R"(,"attributes":)" +
                  attributes_as_json(*rules, view(found.attributes));
    return send_json(
        r_, NGX_HTTP_OK,
        R"({"user":{"id":)" + json_id(view(identity.user_id)) + R"(,"email":)" +
            json_string(view(identity.email)) + "}" + attributes +
            R"(,"authenticated_at":)" +
            (identity.authenticated_at ? json_string(format_authenticated_at(
                                             *identity.authenticated_at))
                                       : "null") +
            R"(,"expires_at":)" +
            json_string(format_authenticated_at(ngx_time() + left_s)) +
            R"(,"csrf_token":)" + token.value_or("null") + "}");
}

}  // namespace sigra::nginx
