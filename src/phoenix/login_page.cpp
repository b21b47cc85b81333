#include "phoenix/login_page.hpp"

#include <algorithm>

#include "phoenix/crypto.hpp"
#include "phoenix/encoding.hpp"
#include "phoenix/origin.hpp"

namespace sigra::phoenix {
namespace {

// Text has a contrast of at least 7:1 in both themes, borders of fields 4:1.
constexpr std::string_view style = R"(
:root {
  color-scheme: light dark;
  --ground: #f3f4f6; --card: #fff; --text: #16181d; --quiet: #4a4f5a;
  --line: #767c88; --accent: #1f4fbf; --on-accent: #fff;
  --error: #8a1414; --error-ground: #fdecec; --info: #0d4a2b; --info-ground: #e6f5ec;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #101216; --card: #191c22; --text: #eceef2; --quiet: #b4bac6;
    --line: #7d8593; --accent: #9db8ff; --on-accent: #0d1526;
    --error: #ffc1bd; --error-ground: #3d1618; --info: #b4ecca; --info-ground: #11311f;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; min-height: 100vh; display: flex; align-items: center; justify-content: center;
  padding: 1rem; background: var(--ground); color: var(--text);
  font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif;
}
main {
  width: 100%; max-width: 24rem; padding: 2rem 1.5rem; background: var(--card);
  border-radius: .75rem; box-shadow: 0 0 0 1px rgb(127 135 150 / 25%), 0 8px 24px rgb(0 0 0 / 8%);
}
h1 { margin: 0 0 1.25rem; font-size: 1.5rem; line-height: 1.25; }
p { margin: 0 0 1.25rem; }
.flash { padding: .625rem .875rem; border-radius: .5rem; border-inline-start: .25rem solid; overflow-wrap: anywhere; }
.error { color: var(--error); background: var(--error-ground); }
.info { color: var(--info); background: var(--info-ground); }
.hint { color: var(--quiet); }
.site { display: flex; align-items: center; gap: .625rem; margin: 0 0 1rem; font-weight: 600; color: var(--quiet); }
.site img { max-width: 100%; max-height: 3rem; }
.or { display: flex; align-items: center; gap: .75rem; margin: 1.25rem 0; color: var(--quiet); }
.or::before, .or::after { content: ""; flex: 1; border-top: 1px solid var(--line); }
.links { display: flex; flex-wrap: wrap; gap: .5rem 1.25rem; margin: 1.25rem 0 0; }
a { color: var(--accent); }
label { display: block; font-weight: 600; }
input[type=text], input[type=password] {
  display: block; width: 100%; margin: .25rem 0 1.125rem; padding: .625rem .75rem; font: inherit;
  color: inherit; background: var(--card); border: 1px solid var(--line); border-radius: .5rem;
}
input[readonly] { color: var(--quiet); background: var(--ground); }
.check { display: flex; align-items: center; gap: .625rem; min-height: 1.5rem; margin: 0 0 1.25rem; font-weight: 400; }
input[type=checkbox] { flex: none; width: 1.25rem; height: 1.25rem; margin: 0; accent-color: var(--accent); }
button {
  width: 100%; min-height: 2.75rem; padding: .625rem 1rem; font: inherit; font-weight: 600; cursor: pointer;
  color: var(--on-accent); background: var(--accent); border: 1px solid transparent; border-radius: .5rem;
}
button.plain { color: var(--accent); background: transparent; border-color: var(--line); }
button:hover { filter: brightness(1.1); }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
)";

void add(std::string& out, std::string_view text) {
    out += text;
}

// Writes the page up to the start of its visible content. `title` is HTML;
// `head` has elements to add to the head.
void begin_page(std::string& out, const Messages& texts, std::string_view title,
                std::string_view head = "") {
    out += "<!doctype html>\n<html lang=\"" + escape_html(texts.lang) +
           "\" dir=\"" + escape_html(texts.dir) +
           "\">\n<head>\n<meta charset=\"utf-8\">\n<meta "
           "name=\"viewport\" content=\"width=device-width, "
           "initial-scale=1\">\n<meta name=\"robots\" "
           "content=\"noindex\">\n";
    add(out, head);
    add(out, "<title>");
    add(out, title);
    add(out, "</title>\n<style>");
    add(out, style);
    add(out, "</style>\n</head>\n<body>\n<main>\n");
}

// ` name="user[email]"`
std::string name_of(const LoginPage& page, std::string_view field) {
    return " name=\"" + escape_html(page.singular) + "[" + std::string(field) +
           "]\"";
}

void add_flash(std::string& out, std::string_view kind, std::string_view role,
               std::string_view text) {
    if (!text.empty()) {
        out += "<p class=\"flash " + std::string(kind) + "\" role=\"" +
               std::string(role) + "\">" + escape_html(text) + "</p>\n";
    }
}

// Begins a form with the fields that both forms have: the CSRF token, and the
// URL to return to after the login.
void begin_form(std::string& out, const LoginPage& page) {
    out +=
        "<form method=\"post\">\n<input type=\"hidden\" "
        "name=\"_csrf_token\" value=\"" +
        escape_html(page.csrf_token) + "\">\n";
    if (!page.return_to.empty()) {
        out += "<input type=\"hidden\" name=\"return_to\" value=\"" +
               escape_html(page.return_to) + "\">\n";
    }
}

// The field has type=text. With type=email, browsers refuse non-ASCII
// characters before the @ and rewrite the domain after it.
void add_email(std::string& out, const LoginPage& page, std::string_view id) {
    out += "<label for=\"" + std::string(id) + "\">" +
           escape_html(page.texts->email) + "</label>\n<input id=\"" +
           std::string(id) + "\"" + name_of(page, "email") +
           " type=\"text\" inputmode=\"email\" value=\"" +
           escape_html(page.email) +
           "\" autocomplete=\"username\" autocapitalize=\"none\" "
           "spellcheck=\"false\" required";
    // An address is written from left to right in all languages.
    add(out, page.texts->dir == "rtl" ? " dir=\"ltr\"" : "");
}

void add_password(std::string& out, const LoginPage& page) {
    out += "<label for=\"password\">" + escape_html(page.texts->password) +
           "</label>\n<input id=\"password\"" + name_of(page, "password") +
           " type=\"password\" autocomplete=\"current-password\" required";
    add(out, page.confirm || !page.email.empty() ? " autofocus>\n" : ">\n");
}

void add_link_form(std::string& out, const LoginPage& page) {
    out += "<p class=\"or\">" + escape_html(page.texts->or_else) + "</p>\n";
    begin_form(out, page);
    if (page.confirm) {
        out += "<input type=\"hidden\"" + name_of(page, "email") + " value=\"" +
               escape_html(page.email) + "\">\n";
    } else {
        add_email(out, page, "link-email");
        add(out, ">\n");
    }
    out += "<button class=\"plain\" type=\"submit\">" +
           escape_html(page.texts->email_link) + "</button>\n</form>\n";
}

void add_link(std::string& out, std::string_view url, std::string_view text) {
    if (!url.empty()) {
        out += "<a href=\"" + escape_html(url) + "\">" + escape_html(text) +
               "</a>\n";
    }
}

void add_links(std::string& out, const LoginPage& page) {
    const std::string_view registration =
        page.confirm ? std::string_view() : page.registration;
    if (page.reset.empty() && registration.empty()) {
        return;
    }
    add(out, "<p class=\"links\">\n");
    add_link(out, page.reset, page.texts->forgot_password);
    add_link(out, registration, page.texts->register_account);
    add(out, "</p>\n");
}

// The logo has an empty alt text, because the site's name is next to it.
void add_site(std::string& out, const LoginPage& page) {
    if (page.title.empty() && page.logo.empty()) {
        return;
    }
    add(out, "<p class=\"site\">");
    if (!page.logo.empty()) {
        out += "<img src=\"" + escape_html(page.logo) + "\" alt=\"\">";
    }
    out += escape_html(page.title) + "</p>\n";
}

// As in Phoenix, a hidden field before the checkbox sends "false", because a
// browser sends nothing for a box that is not ticked.
void add_remember_me(std::string& out, const LoginPage& page) {
    std::string name = name_of(page, "remember_me");
    out += "<input type=\"hidden\"" + name +
           " value=\"false\">\n<label class=\"check\"><input "
           "type=\"checkbox\"" +
           name + " value=\"true\">" + escape_html(page.texts->remember_me) +
           "</label>\n";
}

std::string base64(const Sha256& digest) {
    std::string out = base64url_encode_padded({digest.data(), digest.size()});
    std::replace(out.begin(), out.end(), '-', '+');
    std::replace(out.begin(), out.end(), '_', '/');
    return out;
}

std::string source_of(const WebOrigin& origin) {
    return std::string(origin.https ? "https://" : "http://") + origin.host +
           ":" + std::to_string(origin.port);
}

}  // namespace

std::string escape_html(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); i++) {
        const auto c = static_cast<unsigned char>(text[i]);
        const auto next = static_cast<unsigned char>(
            i + 1 < text.size() ? text[i + 1] : '\0');
        switch (c) {
            case '&':
                out += "&amp;";
                break;
            case '<':
                out += "&lt;";
                break;
            case '>':
                out += "&gt;";
                break;
            case '"':
                out += "&quot;";
                break;
            case '\'':
                out += "&#39;";
                break;
            case 0xc2:  // U+0080 to U+009F
                if (next >= 0x80 && next < 0xa0) {
                    i++;
                } else {
                    out += text[i];
                }
                break;
            default:
                if (c >= 0x20 && c != 0x7f) {
                    out += text[i];
                }
        }
    }
    return out;
}

std::string render_notice(const Messages& texts, std::string_view title,
                          std::string_view text, std::string_view head) {
    const std::string heading = escape_html(title);
    std::string out;
    begin_page(out, texts, heading, head);
    out += "<h1>" + heading + "</h1>\n";
    if (!text.empty()) {
        out += "<p>" + escape_html(text) + "</p>\n";
    }
    add(out, "</main>\n</body>\n</html>\n");
    return out;
}

std::string render_login_page(const LoginPage& page) {
    const Messages& texts = *page.texts;
    const std::string heading =
        escape_html(page.confirm ? texts.confirm_title : texts.log_in);
    std::string out;
    out.reserve(style.size() + 3072 + 12 * page.email.size());
    begin_page(out, texts,
               page.title.empty() ? heading
                                  : heading + " · " + escape_html(page.title));
    add_site(out, page);
    out += "<h1>" + heading + "</h1>\n";
    add_flash(out, "error", "alert", page.flash_error);
    add_flash(out, "info", "status", page.flash_info);
    if (page.confirm) {
        out +=
            "<p class=\"hint\">" + escape_html(texts.confirm_hint) + "</p>\n";
    }
    begin_form(out, page);
    add_email(out, page, "email");
    add(out, page.confirm         ? " readonly>\n"
             : page.email.empty() ? " autofocus>\n"
                                  : ">\n");
    add_password(out, page);
    if (page.remember_me && !page.confirm) {
        add_remember_me(out, page);
    }
    out += "<button type=\"submit\">" +
           escape_html(page.confirm ? texts.confirm : texts.log_in) +
           "</button>\n</form>\n";
    if (page.link) {
        add_link_form(out, page);
    }
    add_links(out, page);
    add(out, "</main>\n</body>\n</html>\n");
    return out;
}

std::string login_page_policy(const std::vector<std::string_view>& targets,
                              std::string_view logo) {
    std::string out = "default-src 'none'; style-src 'sha256-" +
                      base64(sha256(style)) + "'; ";
    if (const auto origin = origin_of_url(logo)) {
        out += "img-src " + source_of(*origin) + "; ";
    } else if (!logo.empty()) {
        out += "img-src 'self'; ";
    }
    out += "form-action 'self'";
    for (std::string_view target : targets) {
        if (const auto origin = origin_of_url(target)) {
            out += " " + source_of(*origin);
        }
    }
    return out + "; base-uri 'none'; frame-ancestors 'none'";
}

}  // namespace sigra::phoenix
