#include "nginx/endpoints/login_log.hpp"

#include "nginx/counters.hpp"

namespace sigra::nginx {
namespace {

constexpr std::size_t max_logged_email = 254;

// The email may be any text. What could end a quoted string or a field in a
// log, or what readers may take for several characters, is written as %XX.
std::string for_log(std::string_view text) {
    constexpr std::string_view digits = "0123456789ABCDEF";
    constexpr std::string_view kept =
        "!#$&'*+-./0123456789=?@ABCDEFGHIJKLMNOPQRSTUVWXYZ^_`"
        "abcdefghijklmnopqrstuvwxyz{|}~";
    std::string out;
    for (const char c : text.substr(0, max_logged_email)) {
        if (kept.find(c) != kept.npos) {
            out += c;
            continue;
        }
        const auto byte = static_cast<unsigned char>(c);
        out += '%';
        out += digits[byte >> 4];
        out += digits[byte & 15];
    }
    return out;
}

Counter counter_of(LoginResult result) {
    return static_cast<Counter>(static_cast<unsigned>(Counter::login_ok) +
                                static_cast<unsigned>(result) -
                                static_cast<unsigned>(LoginResult::ok));
}
static_assert(static_cast<unsigned>(Counter::login_error) -
                  static_cast<unsigned>(Counter::login_ok) ==
              static_cast<unsigned>(LoginResult::error) -
                  static_cast<unsigned>(LoginResult::ok));

void log(ngx_http_request_t* r, const Visit& visit, const LoginStory& story) {
    if (story.result == LoginResult::ok) {
        ngx_str_t id = as_ngx_str(story.user_id);
        ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                      "auth_sigra: login of user %V", &id);
        return;
    }
    ngx_str_t why =
        as_ngx_str(story.reason.empty() ? name(story.result) : story.reason);
    ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                  "auth_sigra: login refused for \"%V\": %V",
                  &visit.login_email, &why);
}

}  // namespace

void tell(ngx_http_request_t* r, Visit& visit, const LoginStory& story) {
    if (story.result == LoginResult::none || visit.login != LoginResult::none) {
        return;
    }
    visit.login = story.result;
    count(counter_of(story.result));
    if (story.email) {
        visit.login_email = copy(r->pool, for_log(*story.email));
    }
    if (story.result == LoginResult::ok) {
        visit.acted_id = copy(r->pool, story.user_id);
        visit.acted_email = copy(r->pool, story.user_email);
    }
    if (story.result != LoginResult::fallback) {
        log(r, visit, story);
    }
}

}  // namespace sigra::nginx
