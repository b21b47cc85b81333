// With time a remember-me payload goes from invalid to valid to expired, and
// never back.
#include "phoenix/remember_me.hpp"

#include <array>
#include <limits>
#include <string>

#include "fuzz.hpp"

namespace {

using namespace sigra::phoenix;
using sigra::fuzz::require;
using State = RememberMe::State;

// The last one is later than any expiry that can be represented.
constexpr std::array<std::int64_t, 7> moments{
    0,
    1'600'000'000'000,
    1'764'000'000'000,
    1'795'000'000'000,
    4'000'000'000'000,
    1'000'000'000'000'000,
    std::numeric_limits<std::int64_t>::max()};

void check_written(std::string_view token) {
    constexpr std::int64_t now = 1'795'000'000'000, max_age = 60 * 86'400;
    const auto payload = write_remember_me(token, now, max_age);
    const auto state = [&](std::int64_t at) {
        const auto read = read_remember_me(payload, at);
        require(read.token == (read.state == State::valid ? token : ""),
                "the token, and only where it counts");
        return read.state;
    };
    require(state(now) == State::valid, "valid at once");
    require(state(now - 1) == State::invalid, "not before it was signed");
    require(state(now + max_age * 1000) == State::valid, "on its last day");
    require(state(now + max_age * 1000 + 1) == State::expired, "and no longer");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
    const auto payload = sigra::fuzz::text_of(data, size);
    auto before = read_remember_me(payload, moments[0]);
    for (const auto moment : moments) {
        auto now = read_remember_me(payload, moment);
        require(now.state == State::valid || now.token.empty(),
                "no token where none counts");
        require(before.state == State::invalid || now.state != State::invalid,
                "what was well formed is");
        require(before.state != State::expired || now.state == State::expired,
                "what has expired has");
        before = std::move(now);
    }
    check_written(payload);
    return sigra::fuzz::accepted;
}
