#include "nginx/conf/sources.hpp"

#include <cstring>
#include <memory>
#include <utility>

#include "phoenix/remember_me.hpp"

namespace sigra::nginx {
namespace {

// Each field is preceded by its length, so that different lists of fields never
// give the same text.
void add_field(std::string& out, std::string_view field) {
    out += std::to_string(field.size());
    out += ':';
    out += field;
}

// What matters for logins and revocations only is left out.
std::string identity_of(const Database& database,
                        const postgres::Layout& layout) {
    std::string all;
    add_field(all, database.options.conninfo);
    add_field(all, std::to_string(static_cast<int>(layout.kind)));
    add_field(all, layout.users);
    add_field(all, layout.tokens);
    add_field(all, layout.singular);
    add_field(all, layout.where);
    if (!layout.context.empty()) {
        all += '@';
        add_field(all, layout.context);
    }
    return all;
}

// Facts are about the user, however a request names the user: API tokens must
// meet the same conditions as sessions.
std::string facts_key(const Database& database,
                      const postgres::Layout& layout) {
    std::string key;
    add_field(key, database.options.conninfo);
    add_field(key, layout.users);
    return key;
}

std::uint64_t fingerprint(std::string all, const Facts& facts) {
    for (const std::string& condition : facts.conditions) {
        add_field(all, condition);
    }
    for (const Facts::Attribute& attribute : facts.attributes) {
        all += '=';
        add_field(all, attribute.expression);
    }
    phoenix::Sha256 digest = phoenix::sha256(all);
    std::uint64_t out = 0;
    std::memcpy(&out, digest.data(), sizeof(out));
    return out;
}

// Layouts that differ only in `sudo` get one number; it is set if one of them
// has it.
std::size_t number_of(Database& database, const postgres::Layout& layout) {
    for (std::size_t i = 0; i < database.layouts.size(); i++) {
        postgres::Layout same = database.layouts[i];
        same.sudo = layout.sudo;
        if (same == layout) {
            database.layouts[i].sudo |= layout.sudo;
            return i;
        }
    }
    database.layouts.push_back(layout);
    return database.layouts.size() - 1;
}

}  // namespace

postgres::Layout layout_of(const LocationConf& conf) {
    postgres::Layout layout = conf.schema->layout;
    layout.channel = view(conf.channel);
    layout.lockout = conf.lockout != nullptr && conf.lockout->threshold != 0;
    layout.rehash = conf.password_hash->cost.has_value();
    layout.sudo = conf.sudo != 0;
    if (conf.second_factor != nullptr) {
        layout.second_factor = conf.second_factor->condition;
    }
    return layout;
}

Source* make_source(ngx_conf_t* cf, const LocationConf& conf,
                    const postgres::Layout& layout) {
    MainConf& main = main_conf(cf);
    Database& database = *main.databases[conf.database->index];
    const std::size_t number = number_of(database, layout);
    const std::string& plural = conf.schema->plural;
    Source*& known = main.sources[{&database, number, plural}];
    if (known == nullptr) {
        auto& facts = main.facts[facts_key(database, layout)];
        if (facts == nullptr) {
            facts = std::make_unique<Facts>();
        }
        known = pool_make<Source>(
            cf->pool, Source{&database, number, layout.kind, 0,
                             phoenix::SessionKeys(layout.singular, plural),
                             layout.kind == postgres::LayoutKind::sigra_sessions
                                 ? phoenix::TokenForm::text
                                 : phoenix::TokenForm::raw,
                             facts.get()});
    }
    return known;
}

Cookies* make_cookies(ngx_conf_t* cf, const LocationConf& conf) {
    Cookies*& known =
        main_conf(cf)
            .cookies[{conf.secrets, conf.session_cookie, conf.remember_cookie}];
    if (known != nullptr) {
        return known;
    }
    known = pool_make<Cookies>(cf->pool);
    if (known == nullptr) {
        return nullptr;
    }
    static std::uint64_t last_id = 0;
    known->id = ++last_id;
    const SessionCookie& session = *conf.session_cookie;
    const RememberMeCookie& remember = *conf.remember_cookie;
    known->session = &session;
    known->remember = &remember;
    const std::string remember_salt =
        phoenix::signed_cookie_salt(remember.name);
    for (const std::string& secret : conf.secrets->values) {
        if (session.encryption_salt.empty()) {
            known->session_sealer.add(phoenix::Verifier(phoenix::derive_key(
                secret, session.signing_salt, session.key)));
        } else {
            known->session_sealer.add(phoenix::Encryptor(phoenix::derive_key(
                secret, session.encryption_salt, session.key)));
        }
        known->remember_sealer.add(phoenix::Verifier(
            phoenix::derive_key(secret, remember_salt, phoenix::KeyOptions{})));
    }
    return known;
}

// Layouts that differ only in what logins need get the same facts, so that the
// cached answer for one is valid for the other.
void share_facts(ngx_conf_t* cf) {
    MainConf& conf = main_conf(cf);
    for (const auto& database : conf.databases) {
        for (postgres::Layout& layout : database->layouts) {
            const Facts& facts = *conf.facts[facts_key(*database, layout)];
            layout.conditions = facts.conditions;
            for (const Facts::Attribute& attribute : facts.attributes) {
                layout.attributes.push_back(attribute.expression);
            }
        }
    }
    for (const auto& [key, source] : conf.sources) {
        const postgres::Layout& layout =
            source->database->layouts[source->layout];
        source->fingerprint =
            fingerprint(identity_of(*source->database, layout), *source->facts);
    }
    size_zones(cf->pool, conf.cache);
}

}  // namespace sigra::nginx
