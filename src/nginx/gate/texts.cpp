#include "nginx/gate/texts.hpp"

#include "nginx/conf/conf.hpp"
#include "nginx/gate/request.hpp"
#include "nginx/gate/response.hpp"

namespace sigra::nginx {

const phoenix::Messages& messages_for(ngx_http_request_t* r) {
    const MessagesList* offered = location_conf(r).messages;
    return offered == nullptr
               ? phoenix::english()
               : phoenix::choose_messages(
                     find_header(r, "accept-language").value_or(""), *offered);
}

bool add_language(ngx_http_request_t* r) {
    return location_conf(r).messages == nullptr ||
           (push_header(r, "Content-Language", messages_for(r).lang) !=
                nullptr &&
            push_header(r, "Vary", "Accept-Language") != nullptr);
}

}  // namespace sigra::nginx
