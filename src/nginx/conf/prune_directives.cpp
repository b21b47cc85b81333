#include <algorithm>

#include "nginx/conf/arguments.hpp"
#include "nginx/conf/prune_conf.hpp"
#include "nginx/conf/setter.hpp"

namespace sigra::nginx {
namespace {

// More rows would be notified as `*`, and then every session is looked up
// again.
constexpr std::int64_t largest_batch = 1000;

// The table's name without its schema.
std::string_view bare_name(std::string_view table) {
    const std::size_t dot = table.rfind('.');
    return dot == std::string_view::npos ? table : table.substr(dot + 1);
}

}  // namespace

void add_to_prune(ngx_conf_t* cf, const LocationConf& conf) {
    MainConf& main = main_conf(cf);
    const std::string& tokens = conf.schema->layout.tokens;
    Lifetimes& longest = main.longest_lives[std::string(bare_name(tokens))];
    longest.standard_s = std::max(longest.standard_s, conf.ttl->standard_s);
    longest.remember_me_s =
        std::max(longest.remember_me_s, conf.ttl->remember_me_s);
    PruneJob& job =
        main.prune_jobs[{conf.source->database, conf.source->kind, tokens}];
    job.ttl = &longest;
    if (job.source == nullptr) {
        job.source = conf.source;
    }
    if (conf.prune == nullptr || conf.prune->interval_ms == 0) {
        return;
    }
    if (job.setting.interval_ms == 0 ||
        conf.prune->interval_ms < job.setting.interval_ms) {
        job.setting = *conf.prune;
    }
}

char* set_prune(ngx_conf_t* cf, ngx_command_t*, void* conf) noexcept {
    return setter(cf, [&]() -> char* {
        if (location(conf).prune != nullptr) {
            return const_cast<char*>(is_duplicate);
        }
        Arguments arguments(cf, 2);
        auto* prune = make<PruneSetting>(cf);
        ngx_str_t text = as_ngx_str(arguments.word(1));
        if (arguments.word(1) != "off") {
            prune->interval_ms = ngx_parse_time(&text, 0);
            if (prune->interval_ms == NGX_ERROR || prune->interval_ms == 0) {
                arguments.fail("invalid time \"" + std::string(view(text)) +
                               "\", it must be a time above zero or \"off\"");
            }
            prune->batch = arguments.number("batch", 1, largest_batch)
                               .value_or(prune->batch);
        }
        location(conf).prune = prune;
        return arguments.finish();
    });
}

}  // namespace sigra::nginx
