#include "nginx/endpoints/sessions.hpp"

#include <algorithm>

#include "nginx/gate/answer.hpp"
#include "nginx/gate/authenticated_at.hpp"
#include "nginx/gate/request.hpp"
#include "nginx/gate/response.hpp"
#include "nginx/gate/revoke.hpp"
#include "nginx/gate/token.hpp"
#include "phoenix/encoding.hpp"
#include "phoenix/percent.hpp"

namespace sigra::nginx {
namespace {

constexpr std::size_t max_id = 128;
constexpr std::string_view methods = "GET, HEAD, POST, DELETE";

std::string json_time(std::optional<std::int64_t> unix_seconds) {
    return unix_seconds ? json_string(format_authenticated_at(*unix_seconds))
                        : "null";
}

std::string json_text(const std::optional<std::string>& text) {
    return text ? json_string(*text) : "null";
}

std::string as_json(const postgres::ListedSession& session) {
    return R"({"id":)" + json_string(session.id) + R"(,"current":)" +
           (session.is_own ? "true" : "false") + R"(,"created_at":)" +
           json_time(session.created_at) + R"(,"authenticated_at":)" +
           json_time(session.authenticated_at) + R"(,"last_active_at":)" +
           json_time(session.last_active_at) + R"(,"expires_at":)" +
           json_time(session.expires_at) + R"(,"ip":)" + json_text(session.ip) +
           R"(,"user_agent":)" + json_text(session.user_agent) + "}";
}

// Printable ASCII. Nothing else is a row's id, and PostgreSQL would refuse some
// of it.
bool may_be_id(std::string_view id) {
    return !id.empty() && id.size() <= max_id &&
           std::ranges::all_of(id, [](char c) { return c > ' ' && c < 0x7f; });
}

}  // namespace

Exchange::Result Sessions::advance() {
    if (step_ == Step::asking) {
        return succeeded() ? tell() : not_done();
    }
    switch (identify()) {
        case Decision::ask:
        case Decision::wait:
            return waiting;
        // Other locations decide for themselves whether this user may pass.
        case Decision::pass:
        case Decision::forbidden:
        case Decision::not_fresh:
            break;
        case Decision::anonymous:
            set_challenge(conf_, visit_);
            return send_error(r_, NGX_HTTP_UNAUTHORIZED, must_log_in);
        case Decision::no_answer:
            return not_identified();
        case Decision::two_cookies:
            return NGX_HTTP_BAD_REQUEST;
        case Decision::internal_error:
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }
    on_pass(r_, conf_, visit_);
    step_ = Step::asking;
    return list() ? waiting : Result(not_done());
}

bool Sessions::list() {
    const bool by_cookie = !visit_.verdict.by_bearer;
    const std::string_view token =
        by_cookie ? view(visit_.verdict.token) : std::string_view();
    return ask(postgres::Statement::list_sessions,
               {{std::string(view(visit_.verdict.looked_up.identity.user_id))},
                stored(token),
                ttl(),
                remember_me_ttl(),
                {std::to_string(conf_.idle_timeout_s())}});
}

ngx_int_t Sessions::tell() {
    std::string list;
    for (const postgres::Row& row : rows()) {
        const auto session = postgres::read_listed(row);
        // A row that cannot be read is an error.
        if (!session) {
            return unavailable(r_, Counter::unavailable_error);
        }
        list += (list.empty() ? "" : ",") + as_json(*session);
    }
    const auto token = csrf_token();
    return send_json(r_, NGX_HTTP_OK,
                     R"({"sessions":[)" + list + R"(],"csrf_token":)" +
                         token.value_or("null") + "}");
}

Exchange::Result EndSession::advance() {
    switch (step_) {
        case Step::parse: {
            phoenix::LoginForm form;
            if (Result refusal = read_checked_form(form)) {
                return refusal;
            }
            if (!equal_ignoring_case(form.method, "delete") &&
                (r_->method == NGX_HTTP_POST || !form.method.empty())) {
                return not_allowed(r_, methods);
            }
            step_ = Step::identify;
            [[fallthrough]];
        }
        case Step::identify:
            switch (identify()) {
                case Decision::ask:
                case Decision::wait:
                    return waiting;
                case Decision::pass:
                case Decision::forbidden:
                case Decision::not_fresh:
                    break;
                case Decision::anonymous:
                    set_challenge(conf_, visit_);
                    return answers_json()
                               ? send_error(r_, NGX_HTTP_UNAUTHORIZED,
                                            must_log_in)
                               : send_to_login();
                case Decision::no_answer:
                    return not_identified();
                case Decision::two_cookies:
                    return NGX_HTTP_BAD_REQUEST;
                case Decision::internal_error:
                    return NGX_HTTP_INTERNAL_SERVER_ERROR;
            }
            if (!may_be_id(wanted())) {
                return not_found();
            }
            step_ = Step::ending;
            return end() ? waiting : Result(not_done());
        case Step::ending:
            if (!succeeded()) {
                return not_done();
            }
            if (rows().empty()) {
                return not_found();
            }
            revoke_rows(rows());
            if (!is_own()) {
                return ended();
            }
            step_ = Step::leaving;
            leave_after_end();
            [[fallthrough]];
        case Step::leaving:
            return Logout::advance();
    }
    return NGX_HTTP_INTERNAL_SERVER_ERROR;
}

ngx_int_t EndSession::late() {
    return step_ == Step::leaving
               ? Logout::late()
               : unavailable(r_, Counter::unavailable_timeout);
}

bool EndSession::answers_json() const {
    return r_->method == NGX_HTTP_DELETE || visit_.verdict.by_bearer ||
           wants_json() || is_program(r_);
}

// The argument `id`, or the path's last segment.
std::string EndSession::wanted() const {
    ngx_str_t id{};
    if (ngx_http_arg(r_, reinterpret_cast<u_char*>(const_cast<char*>("id")), 2,
                     &id) == NGX_OK) {
        return phoenix::percent_decode_lax(view(id));
    }
    const std::string_view path = view(r_->uri);
    return std::string(path.substr(path.rfind('/') + 1));
}

bool EndSession::end() {
    return ask(postgres::Statement::end_session,
               {{std::string(view(visit_.verdict.looked_up.identity.user_id))},
                {wanted()},
                ttl(),
                remember_me_ttl()},
               [](const postgres::Outcome& outcome) {
                   if (outcome.status == postgres::Status::ok) {
                       revoke_rows(outcome.rows);
                   }
               });
}

bool EndSession::is_own() const {
    const phoenix::Sha256& own = visit_.verdict.token_hash;
    const std::string hash = phoenix::hex_encode({own.data(), own.size()});
    return !visit_.verdict.by_bearer &&
           std::ranges::any_of(rows(), [&](const postgres::Row& row) {
               return !row.empty() && row[0] == hash;
           });
}

// The same for a session of another user and for one that does not exist.
ngx_int_t EndSession::not_found() {
    return answers_json()
               ? send_error(r_, NGX_HTTP_NOT_FOUND, "There is no such session.")
               : NGX_HTTP_NOT_FOUND;
}

ngx_int_t EndSession::ended() {
    ngx_log_error(NGX_LOG_INFO, r_->connection->log, 0,
                  "auth_sigra: user %V ended another of their sessions",
                  &visit_.verdict.looked_up.identity.user_id);
    return answers_json() ? no_content(r_) : redirect(r_, target());
}

}  // namespace sigra::nginx
