#include "phoenix/login_page.hpp"

#include <charconv>

#include "nginx/endpoints/login.hpp"
#include "nginx/endpoints/login_template.hpp"
#include "nginx/gate/answer.hpp"
#include "nginx/gate/outbox.hpp"
#include "nginx/gate/request.hpp"
#include "nginx/gate/response.hpp"
#include "nginx/gate/return_to.hpp"
#include "nginx/gate/token.hpp"
#include "phoenix/cookie.hpp"
#include "phoenix/csrf.hpp"

namespace sigra::nginx {
namespace {

constexpr std::string_view html = "text/html; charset=utf-8";
constexpr std::string_view live_flash = "__phoenix_flash__";

}  // namespace

Exchange::Result LoginPage::advance() {
    if (accepts_json(r_)) {
        open_cookies(r_, conf_, visit_);
        return show_token();
    }
    switch (identify()) {
        case Decision::ask:
        case Decision::wait:
            return waiting;
        case Decision::anonymous:
            return show(/*confirm=*/false);
        case Decision::pass:
        case Decision::forbidden:
        case Decision::not_fresh:
            if (asks_to_confirm()) {
                return show(/*confirm=*/true);
            }
            return redirect(r_, onwards());
        case Decision::no_answer:
            return not_identified();
        case Decision::two_cookies:
            return NGX_HTTP_BAD_REQUEST;
        case Decision::internal_error:
            break;
    }
    return NGX_HTTP_INTERNAL_SERVER_ERROR;
}

// Where a user who is already logged in, perhaps in another tab, goes on to.
std::string LoginPage::onwards() const {
    std::string target = read_return_to(r_, conf_);
    return target.empty() ? std::string(view(conf_.signed_in_url)) : target;
}

// An application has sent the user here to confirm, or auth_sigra_sudo of a
// location has. The latter counts only until the user has confirmed, be it to
// the application.
bool LoginPage::asks_to_confirm() const {
    const phoenix::Session session = session_of(visit_);
    if (session.truthy(conf_.source->keys.return_to)) {
        return true;
    }
    if (!session.truthy(phoenix::sudo_key)) {
        return false;
    }
    const auto text = session.binary(phoenix::sudo_key).value_or("");
    std::int64_t seconds = 0;
    std::from_chars(text.data(), text.data() + text.size(), seconds);
    const LookedUp& found = visit_.verdict.looked_up;
    return !found.authenticated_age_ms ||
           found.now(*found.authenticated_age_ms) > seconds * 1000;
}

// LiveView's redirects put their flash into a cookie that only the application
// can read. If it stayed, the flash would be shown after the login.
bool LoginPage::clear_live_flash() {
    if (!phoenix::find_cookie(view(visit_.arrival.cookies), live_flash)) {
        return true;
    }
    return add_header(
        r_, "Set-Cookie",
        "__phoenix_flash__=; path=/; expires=Thu, 01 Jan 1970 00:00:00 GMT; "
        "max-age=0");
}

// Removes the flash that it shows from the session. A prefetch must not change
// the session, because its response may come after that to a login. If the page
// needs a change, the prefetch is refused, and the browser asks again when the
// user opens the page.
ngx_int_t LoginPage::show(bool confirm) {
    phoenix::Session session = session_of(visit_);
    phoenix::Session shown = session;
    const bool new_state = ensure_csrf_state(shown);
    bool changed = new_state;
    for (std::string_view name : {"info", "error", "email"}) {
        changed |= session.flash(name).has_value();
    }
    if (changed && is_prefetch(r_)) {
        return NGX_HTTP_SERVICE_UNAVAILABLE;
    }
    // When this page reloads itself, the browser sends the cookie that it may
    // have withheld.
    if (new_state && may_hide_session(r_, conf_)) {
        return refresh();
    }
    if (changed) {
        phoenix::Session kept = shown;
        for (std::string_view name : {"info", "error", "email"}) {
            kept.erase_flash(name);
        }
        // Without that state in the cookie the form cannot be sent.
        if (!write_session(r_, conf_, visit_, kept) && new_state) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }
    }
    if (!is_prefetch(r_) && !clear_live_flash()) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }
    if (confirm) {
        shown.put_flash("email", view(visit_.verdict.looked_up.identity.email));
    }
    visit_.outbox.shown = copy(r_->pool, shown.encode());
    return send_form(shown, confirm);
}

ngx_int_t LoginPage::refresh() {
    const phoenix::Messages& texts = messages_for(r_);
    return send_page(r_, NGX_HTTP_OK, phoenix::login_page_policy({}),
                     phoenix::render_notice(texts, texts.log_in, "",
                                            "<meta http-equiv=\"refresh\" "
                                            "content=\"0\">\n"));
}

ngx_int_t LoginPage::send_form(const phoenix::Session& session, bool confirm) {
    const std::string token =
        phoenix::mask_csrf(session.binary(phoenix::csrf_key).value_or(""));
    phoenix::LoginPage page;
    page.csrf_token = token;
    page.flash_info = session.flash("info").value_or("");
    page.flash_error = session.flash("error").value_or("");
    page.email = session.flash("email").value_or("");
    const std::string return_to = read_return_to(r_, conf_);
    page.return_to = return_to;
    page.singular = conf_.schema->layout.singular;
    page.remember_me = conf_.remember_cookie->enabled;
    page.confirm = confirm;
    page.texts = &messages_for(r_);
    const Endpoint& endpoint = *conf_.endpoint;
    page.link = !endpoint.fallback.empty();
    if (endpoint.page != nullptr) {
        page.title = endpoint.page->title;
        page.logo = endpoint.page->logo;
        page.reset = endpoint.page->reset;
        page.registration = endpoint.page->registration;
    }
    if (endpoint.page != nullptr && !endpoint.page->parts.empty()) {
        return send(r_, NGX_HTTP_OK, html,
                    render_template(r_, *endpoint.page, page));
    }
    std::vector<std::string_view> targets = {view(conf_.signed_in_url),
                                             page.return_to};
    if (conf_.second_factor != nullptr) {
        targets.push_back(view(conf_.second_factor->url));
    }
    visit_.outbox.referrer_policy = ngx_string("same-origin");
    return send_page(r_, NGX_HTTP_OK,
                     phoenix::login_page_policy(targets, page.logo),
                     phoenix::render_login_page(page));
}

ngx_int_t LoginPage::show_token() {
    phoenix::Session session = session_of(visit_);
    if (ensure_csrf_state(session)) {
        if (is_prefetch(r_)) {
            return NGX_HTTP_SERVICE_UNAVAILABLE;
        }
        if (!write_session(r_, conf_, visit_, session)) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }
    }
    return send_json(r_, NGX_HTTP_OK,
                     R"({"csrf_token":)" +
                         json_string(phoenix::mask_csrf(
                             session.binary(phoenix::csrf_key).value_or(""))) +
                         "}");
}

}  // namespace sigra::nginx
