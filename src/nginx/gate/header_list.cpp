#include "nginx/gate/header_list.hpp"

namespace sigra::nginx {
namespace {

constexpr ngx_uint_t headers_a_part = 20;

ngx_table_elt_t*& slot(ngx_http_headers_in_t& in, ngx_uint_t offset) {
    return *reinterpret_cast<ngx_table_elt_t**>(reinterpret_cast<char*>(&in) +
                                                offset);
}

ngx_table_elt_t* slot(const ngx_http_headers_in_t& in, ngx_uint_t offset) {
    return slot(const_cast<ngx_http_headers_in_t&>(in), offset);
}

}  // namespace

HeaderList::HeaderList(ngx_http_request_t* r, const ngx_http_headers_in_t& sent)
    : r_(r),
      sent_(sent),
      ok_(ngx_list_init(&list_, r->pool, headers_a_part,
                        sizeof(ngx_table_elt_t)) == NGX_OK) {}

ngx_table_elt_t* HeaderList::push() {
    auto* header =
        ok_ ? static_cast<ngx_table_elt_t*>(ngx_list_push(&list_)) : nullptr;
    ok_ = header != nullptr;
    return header;
}

// point_anew() links the copy again where needed: for most headers nginx does
// not initialise `next`.
void HeaderList::keep(const ngx_table_elt_t& header) {
    if (ngx_table_elt_t* copied = push()) {
        *copied = header;
        set_next(*copied, nullptr);
        copies_.emplace_back(&header, copied);
    }
}

void HeaderList::keep_with(const ngx_table_elt_t& header,
                           std::string_view value) {
    keep(header);
    if (ok_) {
        ngx_str_t& kept = copies_.back().second->value;
        kept = copy(r_->pool, value);
        ok_ = kept.data != nullptr;
    }
}

void HeaderList::drop(const ngx_table_elt_t& header) {
    copies_.emplace_back(&header, nullptr);
}

void HeaderList::add(std::string_view name, std::string_view value) {
    ngx_table_elt_t* header = push();
    if (header == nullptr) {
        return;
    }
    *header = ngx_table_elt_t{};
    header->key = as_ngx_str(name);
    header->value = copy(r_->pool, value);
    header->lowcase_key =
        static_cast<u_char*>(ngx_pnalloc(r_->pool, name.size()));
    if (header->value.data == nullptr || header->lowcase_key == nullptr) {
        ok_ = false;
        return;
    }
    header->hash =
        ngx_hash_strlow(header->lowcase_key, header->key.data, header->key.len);
}

bool HeaderList::install() {
    if (!ok_ || !point_anew()) {
        return false;
    }
    r_->headers_in.headers = list_;
    // In a list of one part, `last` points into the list itself.
    if (list_.last == &list_.part) {
        r_->headers_in.headers.last = &r_->headers_in.headers.part;
    }
    return true;
}

// The header's copy; null where it was dropped. A header that another module
// keeps outside of the list stays where it is.
ngx_table_elt_t* HeaderList::now(ngx_table_elt_t* header) const {
    for (const auto& [from, to] : copies_) {
        if (from == header) {
            return to;
        }
    }
    return header;
}

#if (nginx_version >= 1023000)

// Headers of one name are linked by `next`, but only where headers_in has a
// pointer to the first of them. In any other header `next` is uninitialised
// memory and must not be followed.
bool HeaderList::point_anew() {
    for (ngx_http_header_t* h = ngx_http_headers_in; h->name.len != 0; h++) {
        if (h->offset == 0) {
            continue;
        }
        ngx_table_elt_t** place = &slot(r_->headers_in, h->offset);
        *place = nullptr;
        for (ngx_table_elt_t* old = slot(sent_, h->offset); old != nullptr;
             old = old->next) {
            ngx_table_elt_t* header = now(old);
            if (header == nullptr) {
                continue;
            }
            *place = header;
            if (header == old) {
                break;
            }
            place = &header->next;
        }
    }
    return true;
}

#else

namespace {

bool is_array(ngx_uint_t offset) {
    return offset == offsetof(ngx_http_headers_in_t, cookies)
#if (NGX_HTTP_X_FORWARDED_FOR)
           || offset == offsetof(ngx_http_headers_in_t, x_forwarded_for)
#endif
        ;
}

}  // namespace

bool HeaderList::point_anew() {
    for (ngx_http_header_t* h = ngx_http_headers_in; h->name.len != 0; h++) {
        if (h->offset != 0 && !is_array(h->offset)) {
            slot(r_->headers_in, h->offset) = now(slot(sent_, h->offset));
        }
    }
    // A new array, because a subrequest shares the memory of the old one with
    // its main request.
    const auto anew = [&](const ngx_array_t& old, ngx_array_t& out) {
        out = old;
        if (old.nelts == 0) {
            return true;
        }
        if (ngx_array_init(&out, r_->pool, old.nelts,
                           sizeof(ngx_table_elt_t*)) != NGX_OK) {
            return false;
        }
        auto** headers = static_cast<ngx_table_elt_t**>(old.elts);
        for (ngx_uint_t i = 0; i < old.nelts; i++) {
            if (ngx_table_elt_t* header = now(headers[i])) {
                *static_cast<ngx_table_elt_t**>(ngx_array_push(&out)) = header;
            }
        }
        return true;
    };
#if (NGX_HTTP_X_FORWARDED_FOR)
    if (!anew(sent_.x_forwarded_for, r_->headers_in.x_forwarded_for)) {
        return false;
    }
#endif
    return anew(sent_.cookies, r_->headers_in.cookies);
}

#endif

}  // namespace sigra::nginx
