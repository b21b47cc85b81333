#include <algorithm>
#include <bit>
#include <cmath>
#include <deque>

#include "phoenix/encoding.hpp"
#include "phoenix/term.hpp"
#include "phoenix/term_head.hpp"

namespace sigra::phoenix::term {
namespace {

constexpr std::size_t max_atom_characters = 255;

bool is_valid_leaf(const Head& head) {
    if (head.tag == new_float)
        return std::isfinite(float_of(head));
    if (!is_atom(head))
        return true;
    if (is_latin1(head))
        return head.body.size() <= max_atom_characters;
    const auto characters = utf8_length(head.body);
    return characters && *characters <= max_atom_characters;
}

// Erlang's =:= as equality of bytes: what follows writes equal terms alike,
// and no form is the beginning of another. A binary is its own form.
void write_canonical_atom(std::string& out, const Head& head) {
    std::string utf8;
    for (const char character : head.body) {
        const auto byte = static_cast<unsigned char>(character);
        if (is_latin1(head) && byte >= 0x80) {
            utf8 += static_cast<char>(0xc0 | byte >> 6);
            utf8 += static_cast<char>(0x80 | (byte & 0x3f));
        } else {
            utf8 += character;
        }
    }
    out += static_cast<char>(atom_utf8);
    write_big_endian(out, utf8.size(), 2);
    out += utf8;
}

void write_canonical_integer(std::string& out, const Head& head) {
    const auto magnitude = magnitude_of(head);
    if (!magnitude.negative && magnitude.bytes.size() == 1) {
        out += static_cast<char>(small_integer);
    } else {
        out += static_cast<char>(magnitude.negative ? small_big : large_big);
        write_big_endian(out, magnitude.bytes.size(), 4);
    }
    out += magnitude.bytes;
}

void write_canonical_leaf(std::string& out, const Head& head,
                          std::string_view term) {
    switch (head.tag) {
        case binary:
        case nil:
            out += term.substr(0, head.size);
            break;
        case new_float:  // 0.0 and -0.0 were one key until OTP 27
            out += static_cast<char>(new_float);
            write_big_endian(
                out, std::bit_cast<std::uint64_t>(float_of(head) + 0.0), 8);
            break;
        case string:  // a list, element by element
            for (const char character : head.body) {
                out += static_cast<char>(list);
                write_canonical_integer(
                    out, Head{.tag = small_integer,
                              .body = std::string_view(&character, 1)});
            }
            out += static_cast<char>(nil);
            break;
        default:
            if (is_atom(head))
                write_canonical_atom(out, head);
            else
                write_canonical_integer(out, head);
    }
}

// One walk over a term. Where a term is, or is part of, a key of a map that is
// not a binary, its canonical form is written on the way: each byte is parsed
// once, and copied once for each map key that it stands in.
class Checker {
  public:
    explicit Checker(std::string_view bytes) : rest_(bytes) {}

    bool whole() { return term(1, nullptr) && rest_.empty(); }

  private:
    bool term(std::size_t depth, std::string* canonical) {
        const auto head = head_of(rest_);
        if (!head || depth > max_depth || ++items_ > max_items ||
            head->inside > max_items - items_ || !is_valid_leaf(*head))
            return false;
        const auto start = rest_;
        rest_.remove_prefix(head->size);
        switch (head->tag) {
            case map:
                return canonical ? key_map(*head, depth, *canonical)
                                 : plain_map(*head, depth);
            case list:
                return elements(*head, depth, canonical);
            case small_tuple:
            case large_tuple:
                if (canonical) {
                    *canonical += static_cast<char>(large_tuple);
                    write_big_endian(*canonical, head->count, 4);
                }
                return elements(*head, depth, canonical);
            default:
                if (canonical)
                    write_canonical_leaf(*canonical, *head, start);
                return true;
        }
    }

    // A list's canonical form is its cells, so that [1 | [2]] is [1, 2].
    bool elements(const Head& head, std::size_t depth, std::string* canonical) {
        for (std::uint64_t i = 0; i < head.inside; ++i) {
            if (canonical && head.tag == list && i < head.count)
                *canonical += static_cast<char>(list);
            if (!term(depth + 1, canonical))
                return false;
        }
        return true;
    }

    bool plain_map(const Head& head, std::size_t depth) {
        std::vector<std::string_view> keys;
        std::deque<std::string> canonical_keys;
        keys.reserve(head.count);
        for (std::uint64_t i = 0; i < head.count; ++i) {
            const auto start = rest_;
            const bool is_binary =
                !start.empty() && start[0] == static_cast<char>(binary);
            auto* canonical =
                is_binary ? nullptr : &canonical_keys.emplace_back();
            const auto key_depth =
                canonical ? std::max(depth, max_depth - max_key_depth) : depth;
            if (!term(key_depth + 1, canonical))
                return false;
            keys.push_back(canonical
                               ? std::string_view(*canonical)
                               : start.substr(0, start.size() - rest_.size()));
            if (!term(depth + 1, nullptr))
                return false;
        }
        std::ranges::sort(keys);
        return std::ranges::adjacent_find(keys) == keys.end();
    }

    bool key_map(const Head& head, std::size_t depth, std::string& out) {
        std::vector<std::pair<std::string, std::string>> pairs;
        pairs.reserve(head.count);
        for (std::uint64_t i = 0; i < head.count; ++i) {
            auto& [key, value] = pairs.emplace_back();
            if (!term(depth + 1, &key) || !term(depth + 1, &value))
                return false;
        }
        std::ranges::sort(pairs);
        out += static_cast<char>(map);
        write_big_endian(out, pairs.size(), 4);
        for (std::size_t i = 0; i < pairs.size(); ++i) {
            if (i > 0 && pairs[i - 1].first == pairs[i].first)
                return false;
            out += pairs[i].first;
            out += pairs[i].second;
        }
        return true;
    }

    std::string_view rest_;
    std::size_t items_ = 0;
};

}  // namespace

std::optional<std::string_view> checked(std::string_view bytes) {
    if (bytes.empty() || bytes[0] != version)
        return std::nullopt;
    bytes.remove_prefix(1);
    if (!Checker(bytes).whole())
        return std::nullopt;
    return bytes;
}

}  // namespace sigra::phoenix::term
