// auth_sigra_cache and auth_sigra_revocation_channel.
#include <algorithm>
#include <new>
#include <string_view>

#include "nginx/conf/arguments.hpp"
#include "nginx/conf/cache_conf.hpp"
#include "nginx/conf/setter.hpp"
#include "nginx/conf/shared_zone.hpp"

namespace sigra::nginx {
namespace {

// PostgreSQL truncates longer names.
constexpr std::size_t max_channel = 63;

std::string too_small(const std::string& name) {
    return "the zone \"" + name + "\" is too small, it must have at least " +
           std::to_string(Zone::min_size / 1024) + "k";
}

// Zero: the size is invalid, and `arguments` has the error.
std::size_t read_size(Arguments& arguments, const std::string& name,
                      std::string_view text) {
    ngx_str_t word = as_ngx_str(text);
    const ssize_t size = ngx_parse_size(&word);
    if (size == NGX_ERROR) {
        arguments.fail("invalid size \"" + std::string(text) +
                       "\" of the zone \"" + name +
                       "\", it must be like \"10m\"");
        return 0;
    }
    if (static_cast<std::size_t>(size) < Zone::min_size) {
        arguments.fail(too_small(name));
        return 0;
    }
    return static_cast<std::size_t>(size);
}

Zone* make_zone(ngx_conf_t* cf, const std::string& name, std::size_t size) {
    ngx_str_t shm_name = copy(cf->pool, name);
    if (shm_name.data == nullptr) {
        throw std::bad_alloc();
    }
    ngx_shm_zone_t* shm =
        ngx_shared_memory_add(cf, &shm_name, size, &ngx_http_auth_sigra_module);
    if (shm == nullptr) {
        return nullptr;
    }
    auto* shared = pool_make<SharedZone>(cf->pool);
    if (shared == nullptr) {
        throw std::bad_alloc();
    }
    shm->data = shared;
    shm->init = SharedZone::init;
    Zone* zone = &shared->zone();
    main_conf(cf).cache.zones.emplace(name, NamedZone{shm, zone, {}});
    return zone;
}

// NAME or NAME:SIZE. Null: the error is logged, or `arguments` has it.
Zone* take_zone(ngx_conf_t* cf, Arguments& arguments, std::string_view word) {
    const std::size_t colon = word.find(':');
    const std::string name(word.substr(0, colon));
    std::size_t size = 0;
    if (colon != std::string_view::npos) {
        size = read_size(arguments, name, word.substr(colon + 1));
    }
    if (name.empty()) {
        arguments.fail("the zone has no name, say \"zone=NAME:SIZE\"");
        return nullptr;
    }
    auto& zones = main_conf(cf).cache.zones;
    auto known = zones.find(name);
    if (known == zones.end()) {
        return make_zone(cf, name, size);
    }
    std::size_t& given = known->second.shm->shm.size;
    if (size != 0 && given != 0 && given != size) {
        arguments.fail(
            "the zone \"" + name + "\" has another size elsewhere, " +
            std::to_string(given) + " bytes; give it in one place only");
    } else if (size != 0) {
        given = size;
    }
    return known->second.zone;
}

std::int64_t take_stale(Arguments& arguments) {
    const std::string text = arguments.text("stale").value_or("0");
    ngx_str_t word = as_ngx_str(std::string_view(text));
    const ngx_int_t time = ngx_parse_time(&word, 0);
    if (time == NGX_ERROR) {
        arguments.fail("invalid value \"" + text +
                       "\" of \"stale\", it must be a time like \"10m\"");
        return 0;
    }
    return time;
}

const ChannelConf* channel_of(ngx_conf_t* cf, const LocationConf& conf) {
    CacheConf& all = main_conf(cf).cache;
    const std::string_view name = view(conf.channel);
    auto found = std::find_if(
        all.channels.begin(), all.channels.end(), [&](const ChannelConf* c) {
            return c->database == conf.database && c->name == name;
        });
    ChannelConf* channel = nullptr;
    if (found != all.channels.end()) {
        channel = *found;
    } else {
        channel = make<ChannelConf>(cf);
        channel->index = all.channels.size();
        channel->database = conf.database;
        channel->name = name;
        all.channels.push_back(channel);
    }
    for (const Source* source : {conf.source, conf.bearer_source}) {
        if (source == nullptr) {
            continue;
        }
        const postgres::Layout& layout = conf.database->layouts[source->layout];
        if (std::find(channel->layouts.begin(), channel->layouts.end(),
                      layout) == channel->layouts.end()) {
            channel->layouts.push_back(layout);
        }
    }
    Zone* zone = conf.cache_setting->zone;
    if (zone != nullptr &&
        std::find(channel->zones.begin(), channel->zones.end(), zone) ==
            channel->zones.end()) {
        channel->zones.push_back(zone);
    }
    return channel;
}

// Whether notifications can arrive: a pooler does not pass them on.
bool can_listen(const LocationConf& conf) {
    return conf.channel.len != 0 &&
           (conf.database->options.prepare || !conf.database->listen.empty());
}

// The error for a directive that needs a channel where the location cannot have
// one.
char* deaf_error(ngx_conf_t* cf, const LocationConf& conf,
                 const std::string& who, const std::string& else_say) {
    if (conf.channel.len == 0) {
        return conf_error(cf, who +
                                  " needs a channel: name one with "
                                  "\"auth_sigra_revocation_channel\", or say " +
                                  else_say);
    }
    return conf_error(
        cf, who +
                " needs a connection to listen on, which a pooler does not "
                "have: with prepare=off give \"auth_sigra_postgres\" "
                "listen=CONNINFO, a way around the pooler, or say " +
                else_say);
}

// Whether lookups and the channel use the same server. What is revoked on one
// server need not be revoked on another.
bool is_one_server(const Database& database) {
    return !postgres::may_reach_several_servers(database.options.conninfo) &&
           (database.listen.empty() ||
            !postgres::may_reach_several_servers(database.listen));
}

const Cache* make_cache(ngx_conf_t* cf, const CacheSetting& setting,
                        const ChannelConf* channel) {
    const Cache*& known = main_conf(cf).cache.caches[{&setting, channel}];
    if (known == nullptr) {
        known = pool_make<Cache>(
            cf->pool, Cache{setting.zone, setting.ttl_ms, setting.stale_ms,
                            setting.require_listen, channel});
        if (known == nullptr) {
            throw std::bad_alloc();
        }
    }
    return known;
}

}  // namespace

char* set_cache(ngx_conf_t* cf, ngx_command_t*, void* data) noexcept {
    return guarded(cf->log, static_cast<char*>(NGX_CONF_ERROR), [&]() -> char* {
        auto& conf = *static_cast<LocationConf*>(data);
        if (conf.cache_setting != nullptr) {
            return const_cast<char*>("is duplicate");
        }
        auto* setting = make<CacheSetting>(cf);
        conf.cache_setting = setting;
        if (view(static_cast<ngx_str_t*>(cf->args->elts)[1]) == "off") {
            return Arguments(cf, 2).finish();
        }
        Arguments arguments(cf, 1);
        auto zone = arguments.text("zone");
        setting->ttl_ms =
            arguments.milliseconds("ttl").value_or(setting->ttl_ms);
        setting->require_listen =
            arguments.flag("require_listen").value_or(true);
        setting->stale_ms = take_stale(arguments);
        if (!zone) {
            arguments.fail("\"zone=NAME:SIZE\" is missing, or say \"off\"");
            return arguments.finish();
        }
        setting->zone = take_zone(cf, arguments, *zone);
        char* rc = arguments.finish();
        return setting->zone == nullptr ? static_cast<char*>(NGX_CONF_ERROR)
                                        : rc;
    });
}

char* set_revocation_channel(ngx_conf_t* cf, ngx_command_t*,
                             void* data) noexcept {
    return guarded(cf->log, static_cast<char*>(NGX_CONF_ERROR), [&]() -> char* {
        auto& conf = *static_cast<LocationConf*>(data);
        if (conf.channel.data != nullptr) {
            return const_cast<char*>("is duplicate");
        }
        Arguments arguments(cf, 2);
        const std::string_view name = arguments.word(1);
        if (name.empty() || name.size() > max_channel) {
            arguments.fail("a channel's name has 1 to 63 bytes");
        }
        if (name == "on") {
            arguments.fail(
                "\"on\" is not a name: leave the directive out for "
                "\"auth_sigra_revoked\"");
        }
        conf.channel = as_ngx_str(name == "off" ? name.substr(0, 0) : name);
        return arguments.finish();
    });
}

char* compile_cache(ngx_conf_t* cf, LocationConf& conf) {
    const CacheSetting& setting = *conf.cache_setting;
    if (conf.close_on_revoke && !can_listen(conf)) {
        return deaf_error(cf, conf, "\"auth_sigra_close_on_revoke\"",
                          "\"auth_sigra_close_on_revoke off\"");
    }
    if (conf.close_on_revoke) {
        conf.listened = channel_of(cf, conf);
    }
    if (setting.zone == nullptr) {
        return NGX_CONF_OK;
    }
    if (setting.require_listen && !can_listen(conf)) {
        return deaf_error(cf, conf, "\"auth_sigra_cache\"",
                          "require_listen=off");
    }
    if (!is_one_server(*conf.database)) {
        return conf_error(
            cf,
            "\"auth_sigra_cache\" needs one server, and the conninfo of "
            "\"auth_sigra_postgres\" names several hosts: add "
            "target_session_attrs=read-write to it");
    }
    const ChannelConf* channel =
        can_listen(conf) ? channel_of(cf, conf) : nullptr;
    conf.cache = make_cache(cf, setting, channel);
    for (auto& [name, zone] : main_conf(cf).cache.zones) {
        if (zone.zone == setting.zone) {
            zone.facts.insert(conf.source->facts);
        }
    }
    return NGX_CONF_OK;
}

// The size of the cells becomes part of the zone's name. nginx hands on a zone
// of the same name, but old workers still use it with cells of the old size.
void size_zones(ngx_pool_t* pool, CacheConf& conf) {
    for (auto& [name, zone] : conf.zones) {
        std::size_t bytes = 0;
        for (const Facts* facts : zone.facts) {
            if (!facts->empty()) {
                bytes = std::max(bytes,
                                 cache::SharedFacts::bytes_for(facts->room()));
            }
        }
        if (bytes != 0) {
            static_cast<SharedZone*>(zone.shm->data)->keep_facts(bytes);
            const std::string sized = name + "/" + std::to_string(bytes);
            zone.shm->shm.name = copy(pool, sized);
            if (zone.shm->shm.name.data == nullptr) {
                throw std::bad_alloc();
            }
        }
    }
}

bool check_zones(ngx_conf_t* cf, const CacheConf& conf) {
    for (const auto& [name, zone] : conf.zones) {
        if (zone.shm->shm.size == 0) {
            std::string message = "\"auth_sigra_cache\" zone=";
            message.append(name).append(" has no size: say zone=");
            message.append(name).append(":10m where it is first named");
            conf_error(cf, message);
            return false;
        }
    }
    return true;
}

}  // namespace sigra::nginx
