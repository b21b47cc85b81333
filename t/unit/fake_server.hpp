// Servers that no PostgreSQL is: one that says what a test has it say, and a
// relay before the real one that goes mute. Each runs on a thread of its own.
#pragma once

#include <atomic>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace sigra::test {

// A socket that listens and says nothing, closed at the end. Port 0: any.
class ListeningSocket {
  public:
    explicit ListeningSocket(const std::string& address = "127.0.0.1",
                             const std::string& port = "0");
    ~ListeningSocket();
    ListeningSocket(const ListeningSocket&) = delete;
    ListeningSocket& operator=(const ListeningSocket&) = delete;

    [[nodiscard]] int descriptor() const { return descriptor_; }
    [[nodiscard]] std::string port() const;
    // How many have connected since the last call; they are let go.
    [[nodiscard]] int connections() const;

  private:
    int descriptor_;
};

// A message of the protocol, as the server sends it.
[[nodiscard]] std::string wire_message(char type, const std::string& body);

// Lets everybody in and answers each message with what `answer` returns.
class FakeServer {
  public:
    using Answer = std::function<std::string(char type, std::string body)>;

    explicit FakeServer(Answer answer);
    ~FakeServer();
    FakeServer(const FakeServer&) = delete;
    FakeServer& operator=(const FakeServer&) = delete;

    [[nodiscard]] std::string port() const { return socket_.port(); }
    [[nodiscard]] int connections() const { return connections_; }

  private:
    void serve();
    void converse(int client);

    ListeningSocket socket_;
    Answer answer_;
    std::atomic<int> connections_{0};
    std::atomic<bool> stop_{false};
    std::thread thread_;
};

// Passes bytes between its clients and a port of 127.0.0.1.
class Relay {
  public:
    explicit Relay(const std::string& port);
    ~Relay();
    Relay(const Relay&) = delete;
    Relay& operator=(const Relay&) = delete;

    [[nodiscard]] std::string port() const { return socket_.port(); }
    // Connections that are there now are never heard of again, as when a NAT
    // has forgotten them; new ones pass.
    void forget();
    // Nothing passes, on new connections neither, until it is told again.
    void mute(bool silent) { silent_ = silent; }
    // So many were accepted, ever.
    [[nodiscard]] int accepted() const { return accepted_; }

  private:
    struct Pair {
        int client;
        int server;
        bool forgotten = false;
        bool over = false;
    };
    void run();
    void accept_one();
    static void pass(int from, int to, Pair& pair);

    ListeningSocket socket_;
    std::string target_;
    std::mutex mutex_;
    std::list<Pair> pairs_;  // under mutex_
    std::atomic<bool> silent_{false};
    std::atomic<bool> stop_{false};
    std::atomic<int> accepted_{0};
    std::thread thread_;
};

}  // namespace sigra::test
