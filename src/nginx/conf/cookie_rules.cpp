#include "nginx/conf/cookie_rules.hpp"

namespace sigra::nginx {
namespace {

std::string prefix_error(const LocationConf& conf, const std::string& directive,
                         const std::string& name, const std::string& path,
                         const std::string& same_site) {
    bool host = name.starts_with("__Host-");
    bool secure = host || name.starts_with("__Secure-");
    const std::string cookie = "\"" + directive + "\" " + name;
    if (secure && conf.secure == secure_off) {
        return cookie + " needs \"auth_sigra_cookie_secure\" auto or on";
    }
    if (same_site == "None" && conf.secure == secure_off) {
        return cookie +
               " with same_site=None needs \"auth_sigra_cookie_secure\" auto "
               "or on";
    }
    if (host && path != "/") {
        return cookie + " needs path=/";
    }
    if (host && conf.cookie_domain.len != 0) {
        return cookie +
               " allows no \"auth_sigra_cookie_domain\"; rename it or drop the "
               "domain";
    }
    return {};
}

}  // namespace

std::string cookie_error(const LocationConf& conf) {
    const SessionCookie& session = *conf.session_cookie;
    const RememberMeCookie& remember = *conf.remember_cookie;
    std::string error =
        prefix_error(conf, "auth_sigra_session_cookie", session.name,
                     session.path, session.same_site);
    if (error.empty() && remember.enabled) {
        error = prefix_error(conf, "auth_sigra_remember_me_cookie",
                             remember.name, remember.path, remember.same_site);
    }
    if (error.empty() && remember.enabled && remember.name == session.name) {
        error =
            "the session and the remember-me cookie have the same name, \"" +
            session.name + "\"";
    }
    return error;
}

}  // namespace sigra::nginx
