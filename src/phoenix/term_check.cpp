#include <algorithm>
#include <cmath>
#include <deque>

#include "phoenix/encoding.hpp"
#include "phoenix/term.hpp"
#include "phoenix/term_canonical.hpp"
#include "phoenix/term_head.hpp"

namespace sigra::phoenix::term {
namespace {

constexpr std::size_t max_atom_characters = 255;

bool is_valid_atom(const Head& head) {
    if (is_latin1(head))
        return head.body.size() <= max_atom_characters;
    const auto characters = utf8_length(head.body);
    return characters && *characters <= max_atom_characters;
}

bool is_valid_leaf(const Head& head) {
    if (head.tag == new_float)
        return std::isfinite(float_of(head));
    // With 8 bits in the last byte it is a binary, which has its own tag.
    if (head.tag == bit_binary)
        return head.count > 0 && head.body[0] >= 1 && head.body[0] <= 7;
    if (is_of_node(head)) {
        const auto node = head_of(head.body);
        return node && is_valid_atom(*node);
    }
    return !is_atom(head) || is_valid_atom(head);
}

bool is_container(const Head& head) {
    return head.tag == map || head.tag == list || head.tag == small_tuple ||
           head.tag == large_tuple;
}

// Walks over a term once, with an explicit stack of containers. For a map key
// that is not a binary, the canonical form is written on the way. So each byte
// is parsed once, and copied once for each map key that contains it.
class Checker {
  public:
    explicit Checker(std::string_view bytes) : rest_(bytes) {}

    bool whole() {
        std::string* canonical = nullptr;
        do {
            if (!enter(canonical) || !leave_what_is_done())
                return false;
            if (!open_.empty())
                canonical = next(open_.back());
        } while (!open_.empty());
        return rest_.empty();
    }

  private:
    struct Pair {
        std::string_view binary;  // a binary key, encoded
        std::string key;          // any other key, in canonical form
        std::string value;        // canonical; only for a map inside a key

        [[nodiscard]] std::string_view name() const {
            return key.empty() ? binary : std::string_view(key);
        }
    };

    struct Container {
        Head head;
        std::uint64_t begun = 0;  // how many of head.inside
        std::string* canonical = nullptr;
        std::vector<Pair> pairs;  // of a map
        std::string_view key_at;
    };

    // Reads the head of the next term. `canonical`: where to write its
    // canonical form, or null.
    bool enter(std::string* canonical) {
        const auto head = head_of(rest_);
        if (!head || ++items_ > max_items ||
            head->inside > max_items - items_ || !is_valid_leaf(*head))
            return false;
        const auto start = rest_;
        rest_.remove_prefix(head->size);
        if (!is_container(*head)) {
            if (canonical)
                write_canonical_leaf(*canonical, *head, start);
            return true;
        }
        auto& container = open_.emplace_back();
        container.head = *head;
        container.canonical = canonical;
        if (head->tag == map) {
            container.pairs.reserve(head->count);
            return !canonical || ++key_maps_ <= max_key_maps;
        }
        if (canonical && head->tag != list) {
            *canonical += static_cast<char>(large_tuple);
            write_big_endian(*canonical, head->count, 4);
        }
        return true;
    }

    // Returns where to write the canonical form of the container's next term.
    std::string* next(Container& container) {
        const auto at = container.begun++;
        if (container.head.tag == map)
            return at % 2 ? next_value(container) : next_key(container);
        // A list is written cell by cell, so that [1 | [2]] equals [1, 2].
        if (container.canonical && container.head.tag == list &&
            at < container.head.count)
            *container.canonical += static_cast<char>(list);
        return container.canonical;
    }

    std::string* next_key(Container& container) {
        auto& pair = container.pairs.emplace_back();
        container.key_at = rest_;
        const bool is_binary =
            !rest_.empty() && rest_[0] == static_cast<char>(binary);
        return is_binary ? nullptr : &pair.key;
    }

    std::string* next_value(Container& container) {
        auto& pair = container.pairs.back();
        pair.binary =
            container.key_at.substr(0, container.key_at.size() - rest_.size());
        return container.canonical ? &pair.value : nullptr;
    }

    bool leave_what_is_done() {
        while (!open_.empty() &&
               open_.back().begun == open_.back().head.inside) {
            if (open_.back().head.tag == map && !leave_map(open_.back()))
                return false;
            open_.pop_back();
        }
        return true;
    }

    bool leave_map(Container& container) {
        auto& pairs = container.pairs;
        std::ranges::sort(pairs, {}, &Pair::name);
        if (std::ranges::adjacent_find(pairs, {}, &Pair::name) != pairs.end())
            return false;
        if (!container.canonical)
            return true;
        --key_maps_;
        auto& out = *container.canonical;
        out += static_cast<char>(map);
        write_big_endian(out, pairs.size(), 4);
        for (const auto& pair : pairs) {
            out += pair.name();
            out += pair.value;
        }
        return true;
    }

    std::string_view rest_;
    std::size_t items_ = 0;
    std::size_t key_maps_ = 0;
    std::deque<Container> open_;  // innermost last; a deque keeps addresses
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
