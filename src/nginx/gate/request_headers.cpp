#include "nginx/gate/request_headers.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <utility>
#include <vector>

#include "nginx/gate/authenticated_at.hpp"
#include "nginx/gate/request.hpp"
#include "phoenix/cookie.hpp"

namespace sigra::nginx {
namespace {

constexpr std::string_view user_id_header = "X-Auth-User-Id";
constexpr std::string_view email_header = "X-Auth-Email";
constexpr std::string_view authenticated_at_header = "X-Auth-Authenticated-At";
constexpr std::array identity_headers = {user_id_header, email_header,
                                         authenticated_at_header};

bool is_alphanumeric(char c) {
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

// FastCGI, uwsgi and CGI gateways fold what is no letter or digit into `_`:
// whatever would become the same variable is the same name.
bool is_identity_name(std::string_view name) {
    auto same = [](char a, char b) {
        return is_alphanumeric(a) ? (a | 0x20) == (b | 0x20)
                                  : !is_alphanumeric(b);
    };
    return std::any_of(identity_headers.begin(), identity_headers.end(),
                       [&](std::string_view identity) {
                           return std::equal(name.begin(), name.end(),
                                             identity.begin(), identity.end(),
                                             same);
                       });
}

// A hop-by-hop name in Connection makes the next hop drop that header.
std::string without_identity_names(std::string_view connection) {
    std::string out;
    while (!connection.empty()) {
        std::size_t comma = connection.find(',');
        std::string_view token = connection.substr(0, comma);
        std::string_view bare = token;
        while (!bare.empty() && (bare.front() == ' ' || bare.front() == '\t')) {
            bare.remove_prefix(1);
        }
        while (!bare.empty() && (bare.back() == ' ' || bare.back() == '\t')) {
            bare.remove_suffix(1);
        }
        if (!bare.empty() && !is_identity_name(bare)) {
            out += out.empty() ? "" : ", ";
            out += bare;
        }
        connection.remove_prefix(
            comma == std::string_view::npos ? connection.size() : comma + 1);
    }
    return out;
}

// A value that could end its header, or read as two, is nobody's identity.
bool is_header_value(std::string_view value) {
    return !value.empty() &&
           std::all_of(value.begin(), value.end(), [](char c) {
               auto byte = static_cast<unsigned char>(c);
               return byte >= 0x21 && byte != 0x7f;
           });
}

// The list under construction. Elements move, and headers_in's own pointers
// into the list have to follow them.
class HeaderList {
  public:
    explicit HeaderList(ngx_http_request_t* r) : r_(r) {
        ok_ = ngx_list_init(&list_, r->pool, 20, sizeof(ngx_table_elt_t)) ==
              NGX_OK;
    }

    void keep(ngx_table_elt_t& header) {
        if (ngx_table_elt_t* slot = push()) {
            *slot = header;
            moved_.emplace_back(&header, slot);
        }
    }

    void keep_with(ngx_table_elt_t& header, std::string_view value) {
        if (ngx_table_elt_t* slot = push()) {
            *slot = header;
            slot->value = copy(r_->pool, value);
            ok_ = ok_ && slot->value.data != nullptr;
            moved_.emplace_back(&header, slot);
        }
    }

    void add(std::string_view name, std::string_view value) {
        ngx_table_elt_t* slot = push();
        if (slot == nullptr) {
            return;
        }
        *slot = ngx_table_elt_t{};
        slot->key = as_ngx_str(name);
        slot->value = copy(r_->pool, value);
        slot->lowcase_key =
            static_cast<u_char*>(ngx_pnalloc(r_->pool, name.size()));
        if (slot->value.data == nullptr || slot->lowcase_key == nullptr) {
            ok_ = false;
            return;
        }
        slot->hash =
            ngx_hash_strlow(slot->lowcase_key, slot->key.data, slot->key.len);
    }

    [[nodiscard]] bool install() {
        if (!ok_ || !repoint_all()) {
            return false;
        }
        r_->headers_in.headers = list_;
        // A list that has one part points into itself.
        if (list_.last == &list_.part) {
            r_->headers_in.headers.last = &r_->headers_in.headers.part;
        }
        return true;
    }

  private:
    ngx_table_elt_t* push() {
        auto* slot = ok_ ? static_cast<ngx_table_elt_t*>(ngx_list_push(&list_))
                         : nullptr;
        ok_ = slot != nullptr;
        return slot;
    }

    // Null for one that is gone.
    ngx_table_elt_t* now_at(const ngx_table_elt_t* old) const {
        for (const auto& [from, to] : moved_) {
            if (from == old) {
                return to;
            }
        }
        return nullptr;
    }

    bool repoint_all() {
        for (ngx_http_header_t* h = ngx_http_headers_in; h->name.len != 0;
             h++) {
            if (h->offset == 0 || is_array(h->offset)) {
                continue;
            }
            auto*& slot = *reinterpret_cast<ngx_table_elt_t**>(
                reinterpret_cast<char*>(&r_->headers_in) + h->offset);
            // Two names may share a slot: what moved already is in the list.
            if (slot != nullptr && !is_new(slot)) {
                slot = now_at(slot);
            }
        }
        return repoint_lists();
    }

    bool is_new(const ngx_table_elt_t* header) const {
        return std::any_of(moved_.begin(), moved_.end(),
                           [&](const auto& m) { return m.second == header; });
    }

#if (nginx_version >= 1023000)
    static bool is_array(ngx_uint_t) {
        return false;
    }

    bool repoint_lists() {
        for (auto& [from, to] : moved_) {
            ngx_table_elt_t* next = to->next;
            to->next = nullptr;
            for (; next != nullptr && to->next == nullptr; next = next->next) {
                to->next = now_at(next);
            }
        }
        return true;
    }
#else
    static bool is_array(ngx_uint_t offset) {
        return offset == offsetof(ngx_http_headers_in_t, cookies)
#if (NGX_HTTP_X_FORWARDED_FOR)
               || offset == offsetof(ngx_http_headers_in_t, x_forwarded_for)
#endif
            ;
    }

    // A subrequest shares the array's memory with its main request.
    bool repoint(ngx_array_t& array) {
        if (array.nelts == 0) {
            return true;
        }
        ngx_array_t fresh{};
        if (ngx_array_init(&fresh, r_->pool, array.nelts,
                           sizeof(ngx_table_elt_t*)) != NGX_OK) {
            return false;
        }
        auto** old = static_cast<ngx_table_elt_t**>(array.elts);
        for (ngx_uint_t i = 0; i < array.nelts; i++) {
            if (ngx_table_elt_t* header = now_at(old[i])) {
                *static_cast<ngx_table_elt_t**>(ngx_array_push(&fresh)) =
                    header;
            }
        }
        array = fresh;
        return true;
    }

    bool repoint_lists() {
#if (NGX_HTTP_X_FORWARDED_FOR)
        if (!repoint(r_->headers_in.x_forwarded_for)) {
            return false;
        }
#endif
        return repoint(r_->headers_in.cookies);
    }
#endif

    ngx_http_request_t* r_;
    ngx_list_t list_{};
    std::vector<std::pair<const ngx_table_elt_t*, ngx_table_elt_t*>> moved_;
    bool ok_ = false;
};

// `set_cookie`: a Set-Cookie header's value, or empty.
void take_new_cookie(std::string& header, std::string_view set_cookie) {
    std::string_view pair = set_cookie.substr(0, set_cookie.find(';'));
    std::size_t equals = pair.find('=');
    if (equals != std::string_view::npos) {
        header = phoenix::with_cookie(header, pair.substr(0, equals),
                                      pair.substr(equals + 1));
    }
}

// What the upstream is to read in place of the client's cookies.
std::string cookies_for_upstream(std::string_view header,
                                 const LocationConf& conf, const Visit* visit) {
    std::string out(header);
    const std::string& name = conf.session_cookie->name;
    if (visit != nullptr && visit->passed) {
        take_new_cookie(out, view(visit->set_remember));
        take_new_cookie(out, view(visit->set_session));
    }
    if (conf.hide_cookies) {
        const RememberMeCookie& remember = *conf.remember_cookie;
        const std::array<std::string_view, 2> names = {
            name, remember.enabled ? remember.name : name};
        out = phoenix::without_cookies(out, names);
    }
    return out;
}

void keep_or_drop(HeaderList& list, ngx_table_elt_t& header,
                  const LocationConf& conf, const Visit* visit) {
    std::string_view name = view(header.key);
    if (conf.forward && is_identity_name(name)) {
        return;
    }
    if (conf.forward && equal_ignoring_case(name, "connection")) {
        std::string rest = without_identity_names(view(header.value));
        if (!rest.empty()) {
            list.keep_with(header, rest);
        }
        return;
    }
    if (equal_ignoring_case(name, "cookie")) {
        std::string cookies =
            cookies_for_upstream(view(header.value), conf, visit);
        if (!cookies.empty()) {
            list.keep_with(header, cookies);
        }
        return;
    }
    list.keep(header);
}

void add_identity(HeaderList& list, ngx_http_request_t* r,
                  const Identity& identity) {
    auto add = [&](std::string_view name, std::string_view value) {
        if (is_header_value(value)) {
            list.add(name, value);
        } else {
            ngx_str_t header = as_ngx_str(name);
            ngx_log_error(NGX_LOG_WARN, r->connection->log, 0,
                          "auth_sigra: the value for %V is empty or holds a "
                          "byte that a header cannot carry, it is not "
                          "forwarded",
                          &header);
        }
    };
    add(user_id_header, view(identity.user_id));
    add(email_header, view(identity.email));
    if (identity.authenticated_at) {
        add(authenticated_at_header,
            format_authenticated_at(*identity.authenticated_at));
    }
}

}  // namespace

bool rewrite_request_headers(ngx_http_request_t* r, const LocationConf& conf,
                             const Visit* visit) {
    HeaderList list(r);
    for (ngx_list_part_t* part = &r->headers_in.headers.part; part != nullptr;
         part = part->next) {
        auto* headers = static_cast<ngx_table_elt_t*>(part->elts);
        for (ngx_uint_t i = 0; i < part->nelts; i++) {
            keep_or_drop(list, headers[i], conf, visit);
        }
    }
    if (conf.forward && visit != nullptr && visit->identified) {
        add_identity(list, r, visit->looked_up.identity);
    }
    return list.install();
}

}  // namespace sigra::nginx
