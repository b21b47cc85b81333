#include "nginx/session_memo.hpp"

#include <cstring>
#include <utility>

namespace sigra::nginx {
namespace {

constexpr std::size_t slot_count = 4096;
constexpr std::size_t ways = 2;
constexpr std::size_t max_header = 4096;
constexpr std::uint64_t odd = 0x9e3779b97f4a7c15;

std::uint64_t mixed(std::uint64_t x) {
    x *= odd;
    return x ^ (x >> 32);
}

}  // namespace

SessionMemo::SessionMemo() : slots_(slot_count) {
    const std::string random = phoenix::random_bytes(sizeof(seed_));
    random.copy(reinterpret_cast<char*>(&seed_), sizeof(seed_));
}

SessionMemo::~SessionMemo() {
    for (Slot& slot : slots_) {
        phoenix::wipe(slot.bytes);
    }
}

// Four lanes of eight bytes, which do not wait for each other; the seed is each
// worker's own, so that nobody can choose whom he displaces.
std::uint64_t SessionMemo::hash_of(std::string_view header) const {
    constexpr std::size_t lanes = 4;
    std::uint64_t lane[lanes] = {seed_ ^ header.size(), seed_ + odd,
                                 seed_ + 2 * odd, seed_ + 3 * odd};
    std::uint64_t word[lanes];
    std::size_t at = 0;
    for (; at + sizeof(word) <= header.size(); at += sizeof(word)) {
        std::memcpy(word, header.data() + at, sizeof(word));
        for (std::size_t i = 0; i < lanes; i++) {
            lane[i] = mixed(lane[i] ^ word[i]);
        }
    }
    std::memset(word, 0, sizeof(word));
    std::memcpy(word, header.data() + at, header.size() - at);
    std::uint64_t hash = 0;
    for (std::size_t i = 0; i < lanes; i++) {
        hash = mixed(hash ^ mixed(lane[i] ^ word[i]));
    }
    return hash;
}

bool SessionMemo::find(std::string_view header, const LocationConf& conf,
                       Remembered& out) const {
    const std::uint64_t hash = hash_of(header);
    const std::size_t first = hash % (slot_count / ways) * ways;
    for (std::size_t i = first; i < first + ways; i++) {
        const Slot& slot = slots_[i];
        const std::string_view bytes = slot.bytes;
        if (slot.hash == hash && slot.cookies == conf.cookies->id &&
            slot.source == conf.source->fingerprint &&
            bytes.substr(0, slot.header_length) == header) {
            out.payload = bytes.substr(slot.header_length, slot.payload_length);
            out.token = bytes.substr(slot.header_length + slot.payload_length);
            out.token_hash = &slot.token_hash;
            return true;
        }
    }
    return false;
}

void SessionMemo::remember(std::string_view header, const LocationConf& conf,
                           const Remembered& what) {
    if (header.size() > max_header) {
        return;
    }
    std::string bytes;
    bytes.reserve(header.size() + what.payload.size() + what.token.size());
    bytes.append(header).append(what.payload).append(what.token);
    const std::uint64_t hash = hash_of(header);
    const std::size_t first = hash % (slot_count / ways) * ways;
    Slot& slot = slots_[first];
    std::swap(slot, slots_[first + 1]);
    phoenix::wipe(slot.bytes);
    slot.hash = hash;
    slot.cookies = conf.cookies->id;
    slot.source = conf.source->fingerprint;
    slot.header_length = header.size();
    slot.payload_length = what.payload.size();
    slot.token_hash = *what.token_hash;
    slot.bytes = std::move(bytes);
}

}  // namespace sigra::nginx
