// Servers for faults that PostgreSQL does not produce: a fake one that sends
// what the test says, and a relay to the real one that can stop forwarding.
// Each runs on its own thread.
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

// A socket that listens and never answers. Port 0: any free port.
class ListeningSocket {
  public:
    explicit ListeningSocket(const std::string& address = "127.0.0.1",
                             const std::string& port = "0");
    ~ListeningSocket();
    ListeningSocket(const ListeningSocket&) = delete;
    ListeningSocket& operator=(const ListeningSocket&) = delete;

    [[nodiscard]] int descriptor() const { return descriptor_; }
    [[nodiscard]] std::string port() const;
    // How many clients have connected since the last call; closes them.
    [[nodiscard]] int connections() const;

  private:
    int descriptor_;
};

// A message of PostgreSQL's protocol, from the server.
[[nodiscard]] std::string wire_message(char type, const std::string& body);

// Accepts all logins, and answers each message with what `answer` returns.
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

// Forwards bytes between its clients and a port on 127.0.0.1.
class Relay {
  public:
    explicit Relay(const std::string& port);
    ~Relay();
    Relay(const Relay&) = delete;
    Relay& operator=(const Relay&) = delete;

    [[nodiscard]] std::string port() const { return socket_.port(); }
    // Stops forwarding on the present connections without closing them, as a
    // NAT that lost its state; new ones work.
    void forget();
    // Stops or resumes forwarding on all connections, new ones included.
    void mute(bool silent) { silent_ = silent; }
    // How many connections were accepted in total.
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
