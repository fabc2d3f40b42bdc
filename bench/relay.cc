// A relay of bytes that parses nothing: for each client one connection upstream. What a proxy in front of the
// same server costs above this is what it does with HTTP; what this costs is the kernel's.
//
//   bench_relay PORT UPSTREAM_PORT        (both on 127.0.0.1)
//
// One thread, edge-triggered epoll, each descriptor registered once, bytes go from one buffer straight to the
// other side and are kept only when that side takes no more.
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace {

[[noreturn]] void die(const char* what) {
  std::perror(what);
  std::exit(1);
}

sockaddr_in local(const char* port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(std::atoi(port)));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

struct Pair;

// One of the two sockets of a pair, and what it has not taken yet.
struct Side {
  Pair* pair = nullptr;
  Side* other = nullptr;
  int fd = -1;
  std::string rest;
  bool ended = false;  // nothing more comes from here
};

struct Pair {
  Side client, server;
  bool dead = false;
};

class Relay {
 public:
  Relay(const sockaddr_in& here, const sockaddr_in& there)
      : there_(there), epoll_(epoll_create1(EPOLL_CLOEXEC)), listener_(socket(AF_INET, kKind, 0)) {
    const int on = 1;
    setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener_, reinterpret_cast<const sockaddr*>(&here), sizeof here) != 0) die("bind");
    if (listen(listener_, 4096) != 0) die("listen");
    watch(listener_, EPOLLIN, nullptr);
  }

  [[noreturn]] void run() {
    std::array<epoll_event, 256> events{};
    while (true) {
      const int count = epoll_wait(epoll_, events.data(), events.size(), -1);
      for (int i = 0; i < count; ++i) {
        auto* side = static_cast<Side*>(events[static_cast<size_t>(i)].data.ptr);
        if (side == nullptr) {
          accept_one();
        } else {
          look_at(*side, events[static_cast<size_t>(i)].events);
        }
      }
      dead_.clear();  // events of this turn may have named them
    }
  }

 private:
  static constexpr int kKind = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;

  void watch(int fd, uint32_t events, Side* side) {
    epoll_event event{};
    event.events = events;
    event.data.ptr = side;
    if (epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) != 0) die("epoll_ctl");
  }

  void accept_one() {
    const int fd = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    auto* pair = new Pair;
    pair->client = {pair, &pair->server, fd, {}, false};
    pair->server = {pair, &pair->client, socket(AF_INET, kKind, 0), {}, false};
    const int on = 1;
    for (const Side* side : {&pair->client, &pair->server})
      setsockopt(side->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(pair->server.fd, reinterpret_cast<const sockaddr*>(&there_), sizeof there_) != 0 &&
        errno != EINPROGRESS)
      die("connect");
    for (Side* side : {&pair->server, &pair->client}) watch(side->fd, EPOLLIN | EPOLLOUT | EPOLLET, side);
  }

  void look_at(Side& side, uint32_t events) {
    if (!side.pair->dead && (events & EPOLLOUT) != 0 && !side.rest.empty()) {
      flush(side);
      if (!side.pair->dead && side.rest.empty()) move_from(*side.other);
    }
    if (!side.pair->dead && (events & ~uint32_t{EPOLLOUT}) != 0) move_from(side);
  }

  void flush(Side& side) {
    const ssize_t sent = send(side.fd, side.rest.data(), side.rest.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN) return close_pair(*side.pair);
    if (sent > 0) side.rest.erase(0, static_cast<size_t>(sent));
    if (side.rest.empty() && side.other->ended) shutdown(side.fd, SHUT_WR);
  }

  void move_from(Side& from) {
    Side& to = *from.other;
    while (!from.ended && to.rest.empty()) {
      const ssize_t got = recv(from.fd, space_.data(), space_.size(), 0);
      if (got < 0 && errno == EAGAIN) return;
      if (got < 0) return close_pair(*from.pair);
      if (got == 0) {
        from.ended = true;
        shutdown(to.fd, SHUT_WR);
        if (to.ended) close_pair(*from.pair);
        return;
      }
      const auto size = static_cast<size_t>(got);
      ssize_t sent = send(to.fd, space_.data(), size, MSG_NOSIGNAL);
      if (sent < 0 && errno != EAGAIN && errno != ENOTCONN) return close_pair(*from.pair);
      if (sent < 0) sent = 0;
      to.rest.assign(space_.data() + sent, size - static_cast<size_t>(sent));
      if (size < space_.size()) return;  // a short read: the socket is empty, epoll tells of more
    }
  }

  void close_pair(Pair& pair) {
    close(pair.client.fd);
    close(pair.server.fd);
    pair.dead = true;
    dead_.emplace_back(&pair);
  }

  sockaddr_in there_;
  int epoll_, listener_;
  std::vector<std::unique_ptr<Pair>> dead_;
  std::array<char, 256 * 1024> space_{};
};

}  // namespace

int main(int count, char** words) {
  if (count != 3) {
    std::fputs("usage: bench_relay PORT UPSTREAM_PORT\n", stderr);
    return 2;
  }
  Relay(local(words[1]), local(words[2])).run();
}
