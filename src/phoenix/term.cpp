#include "phoenix/term.hpp"

#include <limits>

#include "phoenix/term_head.hpp"

namespace sigra::phoenix::term {
namespace {

std::string_view take(std::string_view& rest) {
    const auto front = rest.substr(0, length(rest));
    rest.remove_prefix(front.size());
    return front;
}

Number nearest_bound(bool negative) {
    using Limits = std::numeric_limits<std::int64_t>;
    return {negative ? Limits::min() : Limits::max(), true};
}

Number integer_of(const Head& head) {
    const auto magnitude = magnitude_of(head);
    if (magnitude.bytes.size() > 8)
        return nearest_bound(magnitude.negative);
    std::uint64_t value = 0;
    for (auto i = magnitude.bytes.size(); i-- > 0;)
        value = value << 8 | static_cast<unsigned char>(magnitude.bytes[i]);
    const std::uint64_t greatest = std::numeric_limits<std::int64_t>::max();
    if (value > greatest + (magnitude.negative ? 1 : 0))
        return nearest_bound(magnitude.negative);
    return {static_cast<std::int64_t>(magnitude.negative ? 0 - value : value),
            false};
}

}  // namespace

std::size_t length(std::string_view term) {
    auto rest = term;
    for (std::uint64_t pending = 1; pending > 0; --pending) {
        const auto head = head_of(rest);
        if (!head)
            return 0;
        rest.remove_prefix(head->size);
        pending += head->inside;
    }
    return term.size() - rest.size();
}

std::optional<std::string_view> as_binary(std::string_view term) {
    const auto head = head_of(term);
    if (!head || head->tag != binary)
        return std::nullopt;
    return head->body;
}

std::optional<std::string_view> as_atom(std::string_view term) {
    const auto head = head_of(term);
    if (!head || !is_atom(*head))
        return std::nullopt;
    return head->body;
}

std::optional<std::vector<std::string_view>> as_tuple(std::string_view term) {
    const auto head = head_of(term);
    if (!head || (head->tag != small_tuple && head->tag != large_tuple))
        return std::nullopt;
    std::vector<std::string_view> elements;
    elements.reserve(head->count);
    auto rest = term.substr(head->size);
    for (std::uint64_t i = 0; i < head->count; ++i)
        elements.push_back(take(rest));
    return elements;
}

std::optional<std::vector<std::pair<std::string_view, std::string_view>>>
as_map(std::string_view term) {
    const auto head = head_of(term);
    if (!head || head->tag != map)
        return std::nullopt;
    std::vector<std::pair<std::string_view, std::string_view>> pairs;
    pairs.reserve(head->count);
    auto rest = term.substr(head->size);
    for (std::uint64_t i = 0; i < head->count; ++i) {
        const auto key = take(rest);
        pairs.emplace_back(key, take(rest));
    }
    return pairs;
}

std::optional<double> as_float(std::string_view term) {
    const auto head = head_of(term);
    if (!head || head->tag != new_float)
        return std::nullopt;
    return float_of(*head);
}

std::optional<Number> as_number(std::string_view term) {
    const auto head = head_of(term);
    if (!head)
        return std::nullopt;
    if (is_integer(*head))
        return integer_of(*head);
    if (head->tag != new_float)
        return std::nullopt;
    constexpr double beyond = 9223372036854775808.0;  // 2^63
    const double value = float_of(*head);
    if (value >= beyond || value < -beyond)
        return nearest_bound(value < 0);
    return Number{static_cast<std::int64_t>(value), false};
}

void write_version(std::string& out) {
    out += version;
}

void write_binary(std::string& out, std::string_view bytes) {
    out += static_cast<char>(binary);
    write_big_endian(out, bytes.size(), 4);
    out += bytes;
}

void write_atom(std::string& out, std::string_view name) {
    out += static_cast<char>(small_atom_utf8);
    write_big_endian(out, name.size(), 1);
    out += name;
}

void write_integer(std::string& out, std::int64_t value) {
    if (value >= 0 && value <= 255) {
        out += static_cast<char>(small_integer);
        out += static_cast<char>(value);
        return;
    }
    if (value == static_cast<std::int32_t>(value)) {
        out += static_cast<char>(integer);
        write_big_endian(out, static_cast<std::uint64_t>(value), 4);
        return;
    }
    auto left = static_cast<std::uint64_t>(value);
    std::string magnitude;
    for (left = value < 0 ? 0 - left : left; left; left >>= 8)
        magnitude += static_cast<char>(left);
    out += static_cast<char>(small_big);
    out += static_cast<char>(magnitude.size());
    out += static_cast<char>(value < 0);
    out += magnitude;
}

void write_tuple_header(std::string& out, std::uint8_t arity) {
    out += static_cast<char>(small_tuple);
    out += static_cast<char>(arity);
}

void write_map_header(std::string& out, std::uint32_t pairs) {
    out += static_cast<char>(map);
    write_big_endian(out, pairs, 4);
}

}  // namespace sigra::phoenix::term
