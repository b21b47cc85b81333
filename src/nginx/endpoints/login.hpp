// auth_sigra_login: the page, and its POST.
#pragma once

#include <string>

#include "nginx/endpoints/exchange.hpp"
#include "nginx/endpoints/password_checks.hpp"
#include "nginx/gate/login_result.hpp"
#include "nginx/gate/outbox.hpp"
#include "nginx/gate/texts.hpp"
#include "phoenix/form.hpp"
#include "postgres/statements.hpp"

namespace sigra::nginx {

// GET: the form, or the CSRF token as JSON.
class LoginPage final : public Exchange {
  public:
    using Exchange::Exchange;

  private:
    Result advance() override;
    [[nodiscard]] std::string onwards() const;
    [[nodiscard]] bool asks_to_confirm() const;
    [[nodiscard]] bool clear_live_flash();
    [[nodiscard]] ngx_int_t show(bool confirm);
    [[nodiscard]] ngx_int_t show_token();
    [[nodiscard]] ngx_int_t refresh();
    [[nodiscard]] ngx_int_t send_form(const phoenix::Session& session,
                                      bool confirm);
};

// POST: the email and the password.
class Login final : public Exchange {
  public:
    Login(ngx_http_request_t* r, const LocationConf& conf, Visit& visit);
    ~Login() override;

  private:
    enum class Step {
        parse,     // the body
        identify,  // the user who is logged in already
        find,      // the user of that email
        finding,
        checking,   // the password, on a thread
        forgiving,  // the failed attempts: the password was right
        elsewhere,  // hand over to the application, or refuse
        insert,     // the new session
        inserting,
        refuse,
        holding,   // until a refusal is due
        old_form,  // of an older session: logs nobody in
    };

    [[nodiscard]] static std::string_view name_of(Step step);
    Result advance() override;
    [[nodiscard]] ngx_int_t late() override;
    [[nodiscard]] Result proceed();
    void tell_of(ngx_int_t answer);
    void note(LoginResult result);
    [[nodiscard]] bool has_place();
    void leave() noexcept override;
    [[nodiscard]] bool counts_attempts() const;
    [[nodiscard]] bool forgive();
    void give_back();
    [[nodiscard]] bool find();
    [[nodiscard]] bool found(postgres::UserRow& user);
    [[nodiscard]] bool check();
    [[nodiscard]] bool seal_cookies();
    [[nodiscard]] bool insert();
    [[nodiscard]] ngx_int_t hand_over();
    [[nodiscard]] bool hold();
    [[nodiscard]] ngx_int_t refuse();
    [[nodiscard]] ngx_int_t ask_again();
    void tell_on_page(Text text);
    [[nodiscard]] std::string login_page() const;
    [[nodiscard]] ngx_int_t welcome();
    [[nodiscard]] ngx_int_t ask_second_factor();
    [[nodiscard]] phoenix::Session new_session(bool keep) const;
    void forget_foreign_remember_me();
    void log_problem(phoenix::PasswordCheck check);

    [[nodiscard]] bool is_for_application() const;
    [[nodiscard]] bool may_be_read_otherwise() const;
    [[nodiscard]] bool stores_pending() const;
    [[nodiscard]] bool is_same_user() const;
    [[nodiscard]] bool remembers() const;
    [[nodiscard]] std::string_view type() const;
    [[nodiscard]] std::string target() const;

    Step step_ = Step::parse;
    LoginResult result_ = LoginResult::none;  // none: the status tells
    std::string_view reason_;                 // for a refusal, for the log
    phoenix::LoginForm form_;
    bool again_ = false;        // the hash changed during the first check
    bool known_email_ = false;  // it is valid text: it can be looked up
    bool counted_ = false;      // the attempt, in user_'s row
    postgres::UserRow user_;
    std::string hash_;     // user_'s, as it is checked
    PasswordPlace place_;  // until the check is submitted
    PasswordWaiter waiter_{};
    PasswordVerdict verdict_;
    std::string token_;
    SealedCookies cookies_;  // of the new session, before it is inserted
};

}  // namespace sigra::nginx
