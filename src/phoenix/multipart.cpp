#include "phoenix/multipart.hpp"

#include <algorithm>

#include "phoenix/encoding.hpp"

namespace sigra::phoenix {
namespace {

constexpr std::size_t max_boundary = 70;
constexpr std::string_view line_end = "\r\n";

bool is_boundary(std::string_view text) {
    constexpr std::string_view marks = "'()+_,-./:=? ";
    return !text.empty() && text.size() <= max_boundary && text.back() != ' ' &&
           std::ranges::all_of(text, [&](char c) {
               const char letter = static_cast<char>(c | 0x20);
               return (c >= '0' && c <= '9') ||
                      (letter >= 'a' && letter <= 'z') ||
                      marks.find(c) != marks.npos;
           });
}

std::string_view trim(std::string_view text) {
    const auto begin = text.find_first_not_of(" \t");
    if (begin == text.npos)
        return {};
    return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

// Where a parameter's value ends: at a semicolon that is not inside quotes.
std::size_t value_end(std::string_view text) {
    bool quoted = false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '"')
            quoted = !quoted;
        else if (text[i] == ';' && !quoted)
            return i;
    }
    return text.size();
}

// False for a header that another reader might read differently: one with a
// backslash or with the parameter `name` twice. Browsers write neither; a quote
// in a name is %22.
bool is_plain(std::string_view header, std::string_view name) {
    if (header.find('\\') != header.npos) {
        return false;
    }
    std::size_t count = 0;
    for (auto end = value_end(header); end < header.size();
         end = value_end(header)) {
        header.remove_prefix(end + 1);
        const auto pair = header.substr(0, value_end(header));
        count +=
            equal_ignoring_case(trim(pair.substr(0, pair.find('='))), name);
    }
    return count == 1;
}

// Returns the parameter `name` of `type; name=value; name="value"`.
std::optional<std::string_view> parameter(std::string_view header,
                                          std::string_view name) {
    for (auto end = value_end(header); end < header.size();
         end = value_end(header)) {
        header.remove_prefix(end + 1);
        const auto pair = header.substr(0, value_end(header));
        const auto equals = std::min(pair.find('='), pair.size());
        if (!equal_ignoring_case(trim(pair.substr(0, equals)), name))
            continue;
        auto value = trim(pair.substr(std::min(equals + 1, pair.size())));
        if (!value.starts_with('"'))
            return value;
        if (value.size() < 2 || !value.ends_with('"'))
            return std::nullopt;
        return value.substr(1, value.size() - 2);
    }
    return std::nullopt;
}

}  // namespace

std::optional<std::string> multipart_boundary(std::string_view content_type) {
    const auto boundary = parameter(content_type, "boundary");
    if (!boundary || !is_boundary(*boundary) ||
        !is_plain(content_type, "boundary"))
        return std::nullopt;
    return std::string(*boundary);
}

MultipartReader::MultipartReader(std::string_view body,
                                 std::string_view boundary)
    : rest_(body), delimiter_("\r\n--" + std::string(boundary)) {
    const auto first = std::string_view(delimiter_).substr(line_end.size());
    if (!rest_.starts_with(first))
        return;
    rest_.remove_prefix(first.size());
    readable_ = true;
}

std::optional<std::string_view> MultipartReader::take_line() {
    const auto end = rest_.find(line_end);
    if (end == rest_.npos)
        return std::nullopt;
    const auto line = rest_.substr(0, end);
    rest_.remove_prefix(end + line_end.size());
    return line;
}

std::optional<Part> MultipartReader::next() {
    if (!readable_ || whole_)
        return std::nullopt;
    // After a delimiter come two dashes if it is the last one, or a line end.
    if (rest_.starts_with("--")) {
        const auto epilogue = rest_.substr(2);
        whole_ = epilogue.empty() || epilogue == line_end;
        return std::nullopt;
    }
    const auto padding = take_line();
    if (!padding || !trim(*padding).empty())
        return std::nullopt;
    Part part;
    bool named = false;
    for (;;) {
        const auto line = take_line();
        if (!line)
            return std::nullopt;
        if (line->empty())
            break;
        const auto colon = line->find(':');
        if (colon == line->npos)
            return std::nullopt;
        if (!equal_ignoring_case(line->substr(0, colon), "content-disposition"))
            continue;
        const auto value = line->substr(colon + 1);
        const auto name = parameter(value, "name");
        if (named || !name || !is_plain(value, "name") ||
            !equal_ignoring_case(trim(value.substr(0, value_end(value))),
                                 "form-data"))
            return std::nullopt;
        named = true;
        part.name = *name;
        part.is_file = parameter(value, "filename").has_value() ||
                       parameter(value, "filename*").has_value();
    }
    const auto end = rest_.find(delimiter_);
    if (!named || end == rest_.npos)
        return std::nullopt;
    part.value = rest_.substr(0, end);
    rest_.remove_prefix(end + delimiter_.size());
    return part;
}

}  // namespace sigra::phoenix
