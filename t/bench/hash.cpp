// hash THREADS SECONDS HASH: checks of «correct horse battery staple» against
// HASH, per second, by this many threads that do nothing else: the upper bound
// for logins.
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

#include "phoenix/password.hpp"

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::string_view password = "correct horse battery staple";

double seconds_since(Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
}

}  // namespace

int main(int argc, char** argv) {
    using sigra::phoenix::PasswordCheck;
    if (argc != 4) {
        std::fprintf(stderr, "usage: %s THREADS SECONDS HASH\n", argv[0]);
        return 64;
    }
    const int threads = std::atoi(argv[1]);
    const double seconds = std::atof(argv[2]);
    const std::string_view hash = argv[3];

    // Each thread's checks divided by its own time, so that none is cut off.
    std::atomic<bool> failed = false;
    std::vector<double> rates(static_cast<std::size_t>(threads));
    std::vector<std::thread> running;
    for (auto& rate : rates)
        running.emplace_back([&] {
            const auto start = Clock::now();
            int checks = 0;
            do {
                failed =
                    failed || sigra::phoenix::verify_password(hash, password) !=
                                  PasswordCheck::matches;
                ++checks;
            } while (seconds_since(start) < seconds);
            rate = checks / seconds_since(start);
        });
    double sum = 0;
    for (auto& thread : running)
        thread.join();
    for (const double rate : rates)
        sum += rate;
    if (failed) {
        std::fprintf(stderr, "%s: the hash is not the password's\n", argv[0]);
        return 1;
    }
    std::printf("%.4f\n", sum);
    return 0;
}
