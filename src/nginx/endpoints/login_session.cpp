// The session that a login creates.
#include "nginx/endpoints/login.hpp"
#include "nginx/gate/answer.hpp"
#include "nginx/gate/outbox.hpp"
#include "nginx/gate/request.hpp"
#include "nginx/gate/response.hpp"
#include "nginx/gate/return_to.hpp"
#include "nginx/gate/revoke.hpp"
#include "nginx/gate/token.hpp"
#include "phoenix/cookie.hpp"
#include "phoenix/redirect.hpp"

namespace sigra::nginx {
namespace {

constexpr std::size_t token_size = 32;

}  // namespace

bool Login::is_same_user() const {
    return visit_.verdict.identified &&
           view(visit_.verdict.looked_up.identity.user_id) == user_.id;
}

bool Login::remembers() const {
    return conf_.remember_cookie->enabled && !user_.second_factor &&
           (form_.remember_me ||
            (is_same_user() &&
             session_of(visit_).truthy(conf_.source->keys.remember_me)));
}

std::string_view Login::type() const {
    if (user_.second_factor) {
        return "mfa_pending";
    }
    return remembers() ? "remember_me" : "standard";
}

std::string Login::target() const {
    if (std::string asked = read_return_to(r_, conf_, form_.return_to);
        !asked.empty()) {
        return asked;
    }
    const phoenix::Session session = session_of(visit_);
    const auto path = session.binary(conf_.source->keys.return_to);
    return std::string(path && phoenix::is_local_path(*path)
                           ? *path
                           : view(conf_.signed_in_url));
}

// The remember-me cookie of another user is no longer valid, because the insert
// has deleted its row.
void Login::forget_foreign_remember_me() {
    const bool own = !rows().front().empty() && rows().front()[0] == "t";
    if (!own && phoenix::find_cookie(view(visit_.arrival.cookies),
                                     conf_.remember_cookie->name)) {
        clear_remember_me(r_, conf_, visit_);
    }
}

// For another user it starts empty, so that nothing planted in the old session
// counts; for the same user it gets a new token. `keep`: the keys of the old
// session stay.
phoenix::Session Login::new_session(bool keep) const {
    const phoenix::SessionKeys& keys = conf_.source->keys;
    const phoenix::Session before = session_of(visit_);
    phoenix::Session session;
    if (keep) {
        session = before;
        session.erase(keys.return_to);
        session.erase(phoenix::sudo_key);
        session.erase_flash("error");
        session.erase_flash("email");
    }
    phoenix::put_token(session, keys, conf_.source->form, token_);
    ensure_csrf_state(session);
    // A user who was already logged in has only confirmed the password.
    if (!user_.second_factor && !is_same_user()) {
        session.put_flash("info", say(r_, &phoenix::Messages::welcome_back));
    }
    if (user_.second_factor) {
        // The application redirects from there, and only to paths.
        const std::string asked = read_return_to(r_, conf_, form_.return_to);
        const auto path =
            asked.empty() ? before.binary(keys.return_to)
                          : phoenix::path_of_return_to(asked, sent_host(r_));
        if (path && !path->empty()) {
            session.put(keys.return_to, *path);
        }
    }
    if (remembers()) {
        session.put_true(keys.remember_me);
    }
    return session;
}

// Called before the statement, which deletes the old session's row. If the old
// session leaves no room for a new token in the cookie, the user still gets a
// session, without the old keys.
bool Login::seal_cookies() {
    token_ = phoenix::random_bytes(token_size);
    if (token_.empty()) {
        return false;
    }
    const auto try_to = [&](bool keep) {
        phoenix::Session session = new_session(keep);
        auto sealed =
            seal(r_, conf_, visit_, session, remembers() ? token_ : "");
        if (!sealed) {
            return false;
        }
        cookies_ = *std::move(sealed);
        return true;
    };
    return (is_same_user() && !user_.second_factor && try_to(true)) ||
           try_to(false);
}

ngx_int_t Login::welcome() {
    const std::string url = target();
    revoke_replaced(conf_, visit_);
    put(visit_, cookies_);
    if (cookies_.remember_me.empty()) {
        forget_foreign_remember_me();
    }
    if (!end_prefetches(r_)) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }
    if (!wants_json()) {
        return redirect(r_, url);
    }
    return send_json(r_, NGX_HTTP_OK,
                     R"({"redirect_to":)" + json_string(url) +
                         R"(,"user":{"id":)" + json_id(user_.id) +
                         R"(,"email":)" + json_string(user_.email) + "}}");
}

ngx_int_t Login::ask_second_factor() {
    revoke_replaced(conf_, visit_);
    put(visit_, cookies_);
    forget_foreign_remember_me();
    if (!end_prefetches(r_)) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }
    std::string_view url = view(conf_.second_factor->url);
    return wants_json() ? send_target(r_, url) : redirect(r_, url);
}

}  // namespace sigra::nginx
