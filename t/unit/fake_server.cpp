#include "fake_server.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <utility>

namespace sigra::test {
namespace {

constexpr int turn_ms = 10;

bool read_exactly(int descriptor, std::string& into, std::size_t size,
                  const std::atomic<bool>& stop) {
    into.clear();
    while (into.size() < size) {
        pollfd polled{descriptor, POLLIN, 0};
        if (poll(&polled, 1, turn_ms) == 0) {
            if (stop) {
                return false;
            }
            continue;
        }
        char bytes[4096];
        const ssize_t count = recv(
            descriptor, bytes, std::min(sizeof(bytes), size - into.size()), 0);
        if (count <= 0) {
            return false;
        }
        into.append(bytes, static_cast<std::size_t>(count));
    }
    return true;
}

std::size_t length_of(const std::string& four) {
    std::size_t length = 0;
    for (const char c : four) {
        length = length << 8 | static_cast<unsigned char>(c);
    }
    return length - 4;
}

void send_all(int descriptor, const std::string& bytes) {
    (void)!send(descriptor, bytes.data(), bytes.size(), MSG_NOSIGNAL);
}

std::string parameter(const std::string& name, const std::string& value) {
    return wire_message('S', name + '\0' + value + '\0');
}

sockaddr_in address_of(const std::string& address, const std::string& port) {
    sockaddr_in both{};
    both.sin_family = AF_INET;
    both.sin_port = htons(static_cast<std::uint16_t>(std::stoi(port)));
    inet_pton(AF_INET, address.c_str(), &both.sin_addr);
    return both;
}

int connect_to(const std::string& port) {
    const int descriptor = socket(AF_INET, SOCK_STREAM, 0);
    const sockaddr_in address = address_of("127.0.0.1", port);
    if (connect(descriptor, reinterpret_cast<const sockaddr*>(&address),
                sizeof(address)) != 0) {
        close(descriptor);
        return -1;
    }
    return descriptor;
}

}  // namespace

ListeningSocket::ListeningSocket(const std::string& address,
                                 const std::string& port)
    : descriptor_(socket(AF_INET, SOCK_STREAM, 0)) {
    const sockaddr_in own = address_of(address, port);
    if (bind(descriptor_, reinterpret_cast<const sockaddr*>(&own),
             sizeof(own)) != 0 ||
        listen(descriptor_, 64) != 0) {
        std::abort();
    }
}

ListeningSocket::~ListeningSocket() {
    close(descriptor_);
}

int ListeningSocket::connections() const {
    int count = 0;
    pollfd polled{descriptor_, POLLIN, 0};
    while (poll(&polled, 1, 0) == 1) {
        close(accept(descriptor_, nullptr, nullptr));
        count++;
    }
    return count;
}

std::string ListeningSocket::port() const {
    sockaddr_in address{};
    socklen_t length = sizeof(address);
    getsockname(descriptor_, reinterpret_cast<sockaddr*>(&address), &length);
    return std::to_string(ntohs(address.sin_port));
}

std::string wire_message(char type, const std::string& body) {
    const auto length = static_cast<std::uint32_t>(body.size() + 4);
    std::string message(1, type);
    for (int shift = 24; shift >= 0; shift -= 8) {
        message += static_cast<char>(length >> shift & 0xff);
    }
    return message + body;
}

FakeServer::FakeServer(Answer answer)
    : answer_(std::move(answer)), thread_([this] { serve(); }) {}

FakeServer::~FakeServer() {
    stop_ = true;
    thread_.join();
}

void FakeServer::serve() {
    std::list<std::thread> clients;
    while (!stop_) {
        pollfd polled{socket_.descriptor(), POLLIN, 0};
        if (poll(&polled, 1, turn_ms) > 0) {
            const int client = accept(socket_.descriptor(), nullptr, nullptr);
            connections_++;
            clients.emplace_back([this, client] {
                converse(client);
                close(client);
            });
        }
    }
    for (std::thread& client : clients) {
        client.join();
    }
}

void FakeServer::converse(int client) {
    constexpr std::size_t request_tls = 80877103;
    std::string head;
    std::string body;
    do {
        if (!read_exactly(client, head, 4, stop_) ||
            !read_exactly(client, body, length_of(head), stop_)) {
            return;
        }
        if (length_of(body.substr(0, 4)) + 4 != request_tls) {
            break;
        }
        send_all(client, "N");
    } while (true);
    send_all(client, wire_message('R', std::string(4, '\0')) +
                         parameter("server_version", "15.0") +
                         parameter("client_encoding", "UTF8") +
                         parameter("TimeZone", "UTC") +
                         wire_message('K', std::string(8, '\1')) +
                         wire_message('Z', "I"));
    while (read_exactly(client, head, 5, stop_) &&
           read_exactly(client, body, length_of(head.substr(1)), stop_)) {
        send_all(client, answer_(head[0], body));
    }
}

Relay::Relay(const std::string& port)
    : target_(port), thread_([this] { run(); }) {}

Relay::~Relay() {
    stop_ = true;
    thread_.join();
    for (const Pair& pair : pairs_) {
        close(pair.client);
        close(pair.server);
    }
}

void Relay::forget() {
    const std::lock_guard<std::mutex> lock(mutex_);
    for (Pair& pair : pairs_) {
        pair.forgotten = true;
    }
}

void Relay::run() {
    while (!stop_) {
        std::vector<pollfd> polled{{socket_.descriptor(), POLLIN, 0}};
        std::vector<Pair*> listed;
        {
            const std::lock_guard<std::mutex> lock(mutex_);
            pairs_.remove_if([](const Pair& pair) {
                if (pair.over) {
                    close(pair.client);
                    close(pair.server);
                }
                return pair.over;
            });
            for (Pair& pair : pairs_) {
                // poll() ignores a negative descriptor.
                const bool quiet = pair.forgotten || silent_;
                polled.push_back({quiet ? -1 : pair.client, POLLIN, 0});
                polled.push_back({quiet ? -1 : pair.server, POLLIN, 0});
                listed.push_back(&pair);
            }
        }
        poll(polled.data(), polled.size(), turn_ms);
        const std::lock_guard<std::mutex> lock(mutex_);
        for (std::size_t i = 0; i < listed.size(); i++) {
            Pair& pair = *listed[i];
            if (pair.forgotten || silent_) {
                continue;
            }
            if (polled[1 + 2 * i].revents != 0) {
                pass(pair.client, pair.server, pair);
            }
            if (polled[2 + 2 * i].revents != 0) {
                pass(pair.server, pair.client, pair);
            }
        }
        if (polled[0].revents != 0) {
            accept_one();
        }
    }
}

void Relay::accept_one() {
    const int client = accept(socket_.descriptor(), nullptr, nullptr);
    const int server = connect_to(target_);
    accepted_++;
    if (server < 0) {
        close(client);
        return;
    }
    pairs_.push_back({client, server});
}

void Relay::pass(int from, int to, Pair& pair) {
    char bytes[65536];
    const ssize_t count = recv(from, bytes, sizeof(bytes), MSG_DONTWAIT);
    if (count > 0) {
        send_all(to, std::string(bytes, static_cast<std::size_t>(count)));
    } else if (count == 0 || (errno != EAGAIN && errno != EINTR)) {
        pair.over = true;
    }
}

}  // namespace sigra::test
