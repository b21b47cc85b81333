#include "phoenix/messages.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "phoenix/encoding.hpp"

namespace sigra::phoenix {
namespace {

struct Text {
    const char* key;
    std::string Messages::*text;
};

constexpr Text texts[] = {
    {"log_in", &Messages::log_in},
    {"email", &Messages::email},
    {"password", &Messages::password},
    {"remember_me", &Messages::remember_me},
    {"confirm_title", &Messages::confirm_title},
    {"confirm_hint", &Messages::confirm_hint},
    {"confirm", &Messages::confirm},
    {"or_else", &Messages::or_else},
    {"email_link", &Messages::email_link},
    {"forgot_password", &Messages::forgot_password},
    {"register_account", &Messages::register_account},
    {"must_log_in", &Messages::must_log_in},
    {"invalid", &Messages::invalid},
    {"welcome_back", &Messages::welcome_back},
    {"try_again", &Messages::try_again},
    {"logged_out", &Messages::logged_out},
    {"logged_out_everywhere", &Messages::logged_out_everywhere},
    {"still_logged_in_title", &Messages::still_logged_in_title},
    {"still_logged_in", &Messages::still_logged_in},
};

std::string_view trim(std::string_view text) {
    const auto begin = text.find_first_not_of(" \t");
    if (begin == text.npos)
        return {};
    return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

// A quality in thousandths; what is none counts as 1, as without a `q`.
int quality_of(std::string_view parameters) {
    const auto at = parameters.find('=');
    if (at == parameters.npos ||
        !equal_ignoring_case(trim(parameters.substr(0, at)), "q"))
        return 1000;
    const auto value = trim(parameters.substr(at + 1));
    if (value.empty() || (value[0] != '0' && value[0] != '1'))
        return 1000;
    int quality = value[0] == '1' ? 1000 : 0;
    int weight = 100;
    for (const char digit :
         value.substr(std::min<std::size_t>(2, value.size()), 3)) {
        if (digit < '0' || digit > '9')
            return 1000;
        quality += (digit - '0') * weight;
        weight /= 10;
    }
    return std::min(quality, 1000);
}

struct Range {
    std::string_view tag;
    int quality;
};

// By quality, then as they stand; no more than anybody speaks.
std::vector<Range> ranges_of(std::string_view header) {
    constexpr std::size_t most = 32;
    std::vector<Range> ranges;
    while (!header.empty() && ranges.size() < most) {
        const auto end = std::min(header.find(','), header.size());
        const auto range = header.substr(0, end);
        header.remove_prefix(std::min(end + 1, header.size()));
        const auto semicolon = std::min(range.find(';'), range.size());
        const auto tag = trim(range.substr(0, semicolon));
        const auto quality =
            quality_of(range.substr(std::min(semicolon + 1, range.size())));
        if (is_language(tag) && quality > 0)
            ranges.push_back({tag, quality});
    }
    std::ranges::stable_sort(ranges, std::ranges::greater{}, &Range::quality);
    return ranges;
}

bool begins_with(std::string_view tag, std::string_view range) {
    return tag.size() > range.size() && tag[range.size()] == '-' &&
           equal_ignoring_case(tag.substr(0, range.size()), range);
}

const Messages* find(std::string_view range,
                     std::span<const Messages> offered) {
    for (const auto& messages : offered)
        if (equal_ignoring_case(messages.lang, range))
            return &messages;
    if (equal_ignoring_case(range, "en"))
        return &english();
    for (const auto& messages : offered)
        if (begins_with(messages.lang, range))
            return &messages;
    return nullptr;
}

}  // namespace

const Messages& english() {
    static const Messages messages;
    return messages;
}

std::optional<Messages> read_messages(std::string_view json,
                                      std::string_view lang,
                                      std::vector<std::string>& missing,
                                      std::string& error) {
    const auto tree = nlohmann::json::parse(json, nullptr, false);
    if (!tree.is_object()) {
        error = "it is no JSON object";
        return std::nullopt;
    }
    Messages messages;
    messages.lang = lang;
    for (const auto& item : tree.items()) {
        // No structured binding: clang 14 does not let a lambda capture one.
        const std::string& key = item.key();
        const auto& value = item.value();
        const auto known = std::ranges::find_if(
            texts, [&](const Text& text) { return key == text.key; });
        if (key != "dir" && known == std::end(texts)) {
            error = "there is no text of the name \"" + key + "\"";
            return std::nullopt;
        }
        if (!value.is_string() || value.get_ref<const std::string&>().empty()) {
            error = "\"" + key + "\" must be a text";
            return std::nullopt;
        }
        (key == "dir" ? messages.dir : messages.*known->text) =
            value.get<std::string>();
    }
    if (messages.dir != "ltr" && messages.dir != "rtl") {
        error = "\"dir\" must be \"ltr\" or \"rtl\"";
        return std::nullopt;
    }
    for (const auto& text : texts)
        if (!tree.contains(text.key))
            missing.emplace_back(text.key);
    return messages;
}

bool is_language(std::string_view tag) {
    const auto is_letter = [](char c) {
        return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
    };
    return tag.size() >= 2 && tag.size() <= 35 && is_letter(tag[0]) &&
           is_letter(tag[1]) && tag.back() != '-' &&
           std::ranges::all_of(tag, [&](char c) {
               return is_letter(c) || c == '-' || (c >= '0' && c <= '9');
           });
}

const Messages& choose_messages(std::string_view accept_language,
                                std::span<const Messages> offered) {
    if (!offered.empty()) {
        for (auto [tag, quality] : ranges_of(accept_language)) {
            for (;;) {
                if (const auto* found = find(tag, offered))
                    return *found;
                const auto dash = tag.rfind('-');
                if (dash == tag.npos)
                    break;
                tag = tag.substr(0, dash);
            }
        }
    }
    if (const auto* own = find("en", offered))
        return *own;
    return english();
}

}  // namespace sigra::phoenix
