// A listener on the test's event loop, and a record of what it reported.
#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "poll_reactor.hpp"
#include "postgres/listener.hpp"

namespace sigra::test {

class Observed final : public postgres::ListenerObserver {
  public:
    Observed(PollReactor& loop, postgres::ListenerOptions options)
        : reactor(loop),
          listener(std::make_unique<postgres::Listener>(
              reactor, std::move(options), *this)) {
        listener->start();
    }

    void listening() override { say("up"); }
    void lost() override { say("down"); }
    void revoked_token(std::string_view hash) override {
        constexpr std::string_view digits = "0123456789abcdef";
        std::string text;
        for (const char c : hash) {
            const auto byte = static_cast<unsigned char>(c);
            text += digits[byte >> 4];
            text += digits[byte & 15];
        }
        say(text);
    }
    void revoked_user(std::string_view id) override {
        say("user:" + std::string(id));
    }
    void revoked_all() override { say("*"); }

    // Runs the loop until there are as many reports as expected, and clears
    // them. Returns false if they differ, or did not come.
    bool says(std::vector<std::string> expected) {
        const bool came =
            reactor.run_until([&] { return said.size() >= expected.size(); });
        std::vector<std::string> actual = std::exchange(said, {});
        std::sort(actual.begin(), actual.end());
        std::sort(expected.begin(), expected.end());
        return came && actual == expected;
    }

    PollReactor& reactor;
    std::vector<std::string> said;
    std::function<void(const std::string&)> then;  // called after each report
    std::unique_ptr<postgres::Listener> listener;

  private:
    void say(const std::string& what) {
        said.push_back(what);
        if (then) {
            then(what);
        }
    }
};

}  // namespace sigra::test
