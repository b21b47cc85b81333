// Redirects back to the login page: after a refusal, or for a form that is out
// of date.
#include "nginx/endpoints/login.hpp"
#include "nginx/gate/answer.hpp"
#include "nginx/gate/outbox.hpp"
#include "nginx/gate/response.hpp"
#include "nginx/gate/return_to.hpp"
#include "nginx/gate/token.hpp"
#include "phoenix/encoding.hpp"

namespace sigra::nginx {
namespace {

constexpr std::size_t max_kept_email = 160;

}  // namespace

ngx_int_t Login::refuse() {
    if (wants_json()) {
        return send_error(r_, NGX_HTTP_UNAUTHORIZED,
                          &phoenix::Messages::invalid);
    }
    tell_on_page(&phoenix::Messages::invalid);
    return redirect(r_, login_page());
}

// Shows the page again, with a CSRF token of the current session.
ngx_int_t Login::ask_again() {
    tell_on_page(&phoenix::Messages::try_again);
    return set_header(r_, "Location", login_page())
               ? NGX_HTTP_SEE_OTHER
               : NGX_HTTP_INTERNAL_SERVER_ERROR;
}

// The page shows the text, and the email that was typed.
void Login::tell_on_page(Text text) {
    phoenix::Session session = session_of(visit_);
    session.put_flash("error", say(r_, text));
    if (form_.email && phoenix::is_text(*form_.email)) {
        session.put_flash(
            "email", phoenix::first_characters(*form_.email, max_kept_email));
    }
    write_session(r_, conf_, visit_, session);
}

std::string Login::login_page() const {
    return login_url(conf_, read_return_to(r_, conf_, form_.return_to));
}

}  // namespace sigra::nginx
