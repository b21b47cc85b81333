#include "phoenix/messages.hpp"

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

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
    {"may_not", &Messages::may_not},
    {"invalid", &Messages::invalid},
    {"welcome_back", &Messages::welcome_back},
    {"try_again", &Messages::try_again},
    {"logged_out", &Messages::logged_out},
    {"logged_out_everywhere", &Messages::logged_out_everywhere},
    {"still_logged_in_title", &Messages::still_logged_in_title},
    {"still_logged_in", &Messages::still_logged_in},
};

// An iterator that counts lines while the parser reads, for error messages.
struct Cursor {
    using iterator_category = std::input_iterator_tag;
    using value_type = char;
    using difference_type = std::ptrdiff_t;
    using pointer = const char*;
    using reference = const char&;

    const char* at;
    std::size_t* line;

    reference operator*() const { return *at; }
    Cursor& operator++() {
        *line += *at == '\n' ? 1 : 0;
        ++at;
        return *this;
    }
    Cursor operator++(int) {
        const Cursor before = *this;
        ++*this;
        return before;
    }
    bool operator==(const Cursor& other) const { return at == other.at; }
};

// Collects the texts from the parser's events. Returning false stops the
// parser.
class TextReader final : public nlohmann::json_sax<nlohmann::json> {
  public:
    TextReader(std::string_view json, Messages& messages)
        : json_(json), messages_(messages) {}

    [[nodiscard]] std::optional<MessagesError> read() {
        // The parser would stop at a NUL and ignore what follows.
        if (const auto nul = json_.find('\0'); nul != json_.npos) {
            malformed_at(nul);
            return std::move(error_);
        }
        const char* begin = json_.data();
        if (!nlohmann::json::sax_parse(Cursor{begin, &line_},
                                       Cursor{begin + json_.size(), &line_},
                                       this) &&
            !error_)
            fail("it is not a JSON object of strings");
        return std::move(error_);
    }
    [[nodiscard]] bool has(std::string_view key) const {
        return std::ranges::find(keys_, key) != keys_.end();
    }

    bool key(std::string& name) override {
        const auto known = std::ranges::find_if(
            texts, [&](const Text& text) { return name == text.key; });
        if (name != "dir" && known == std::end(texts))
            return fail("unknown key \"" + name + "\"");
        if (has(name))
            return fail("\"" + name + "\" is given twice");
        keys_.push_back(name);
        text_ = name == "dir" ? &Messages::dir : known->text;
        return true;
    }

    bool string(std::string& value) override {
        if (keys_.empty())
            return no_text();
        const std::string quoted = '"' + keys_.back() + '"';
        if (text_ == &Messages::dir && value != "ltr" && value != "rtl")
            return fail(quoted + " must be \"ltr\" or \"rtl\"");
        if (value.empty())
            return fail(quoted + " is empty");
        if (value.size() > max_message)
            return fail(quoted + " is longer than " +
                        std::to_string(max_message) + " bytes");
        messages_.*text_ = value;
        return true;
    }

    bool start_object(std::size_t) override {
        return ++depth_ == 1 || no_text();
    }
    bool end_object() override { return true; }
    bool null() override { return no_text(); }
    bool boolean(bool) override { return no_text(); }
    bool number_integer(std::int64_t) override { return no_text(); }
    bool number_unsigned(std::uint64_t) override { return no_text(); }
    bool number_float(double, const std::string&) override { return no_text(); }
    bool binary(nlohmann::json::binary_t&) override { return no_text(); }
    bool start_array(std::size_t) override { return no_text(); }
    bool end_array() override { return no_text(); }

    // `position`: how many characters were read, including the wrong one.
    bool parse_error(std::size_t position, const std::string&,
                     const nlohmann::json::exception&) override {
        return malformed_at(position == 0 ? 0 : position - 1);
    }

  private:
    bool fail(std::string problem) {
        error_ = MessagesError{line_, std::move(problem)};
        return false;
    }
    bool malformed_at(std::size_t offset) {
        line_ = 1 + static_cast<std::size_t>(
                        std::ranges::count(json_.substr(0, offset), '\n'));
        return fail("it is not well-formed JSON in UTF-8");
    }
    bool no_text() {
        return fail(keys_.empty() ? "it is not a JSON object of strings"
                                  : '"' + keys_.back() + "\" must be a string");
    }

    std::string_view json_;
    Messages& messages_;
    std::size_t line_ = 1;
    std::size_t depth_ = 0;
    std::vector<std::string> keys_;
    std::string Messages::*text_ = nullptr;  // the member for the last key
    std::optional<MessagesError> error_;
};

std::string_view trim(std::string_view text) {
    const auto begin = text.find_first_not_of(" \t");
    if (begin == text.npos)
        return {};
    return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

// The quality in thousandths. An invalid one counts as 1, as does none.
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

// The ranges of the header, ordered by quality. There is a limit, to bound the
// work for a hostile header.
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

std::variant<MessagesFile, MessagesError> read_messages(std::string_view json,
                                                        std::string_view lang) {
    MessagesFile file;
    file.messages.lang = lang;
    TextReader reader(json, file.messages);
    if (auto error = reader.read())
        return *std::move(error);
    for (const Text& text : texts)
        if (!reader.has(text.key))
            file.missing.emplace_back(text.key);
    return file;
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
