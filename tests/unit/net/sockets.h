// Sockets for the tests of net/: owned descriptors, connected pairs, and loops that run until something is
// true.
#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <string_view>
#include <utility>

#include "event/loop.h"
#include "event/timer.h"

namespace banyan::net {

class OwnedFd {
 public:
  explicit OwnedFd(int fd = -1) : fd_(fd) {}
  OwnedFd(OwnedFd&& other) noexcept : fd_(other.release()) {}
  OwnedFd& operator=(OwnedFd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~OwnedFd() { reset(); }
  int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }
  void reset() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }

 private:
  int fd_;
};

// A TCP connection over 127.0.0.1. `local` is non-blocking (for a Stream), `peer` blocks.
struct SocketPair {
  OwnedFd local;
  OwnedFd peer;

  void send(std::string_view text) const {
    ASSERT_EQ(::send(peer.get(), text.data(), text.size(), MSG_NOSIGNAL), static_cast<ssize_t>(text.size()));
  }
  // What has arrived at the peer by now, without waiting.
  std::string receive() const {
    std::string text(1 << 16, '\0');
    ssize_t count = recv(peer.get(), text.data(), text.size(), MSG_DONTWAIT);
    text.resize(count > 0 ? static_cast<size_t>(count) : 0);
    return text;
  }
};

inline uint16_t bound_port(int fd) {
  sockaddr_in address{};
  socklen_t size = sizeof address;
  EXPECT_EQ(getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size), 0);
  return ntohs(address.sin_port);
}

// A blocking connection to 127.0.0.1.
inline OwnedFd connect_to(uint16_t port) {
  OwnedFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  return fd;
}

inline OwnedFd listen_on_loopback() {
  OwnedFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  EXPECT_EQ(listen(fd.get(), 64), 0);
  return fd;
}

inline SocketPair make_tcp_pair() {
  OwnedFd listening = listen_on_loopback();
  SocketPair pair;
  pair.peer = connect_to(bound_port(listening.get()));
  pair.local = OwnedFd(accept4(listening.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  EXPECT_GE(pair.local.get(), 0);
  return pair;
}

struct Tick {
  event::Timer* timer = nullptr;
  void run() { timer->start(Millis(2)); }
};

// Turns the loop until `done()`; false after `limit`. `done` is asked at least every 2 ms, so it may look at
// things that cause no event.
template <class Done>
bool run_until(event::Loop& loop, Done done, Millis limit = Millis(10'000)) {
  Tick tick;
  event::Timer timer(loop, Callback::to<&Tick::run>(&tick));
  tick.timer = &timer;
  timer.start(Millis(2));
  TimePoint end = loop.fresh_now() + limit;
  while (!done()) {
    if (loop.fresh_now() > end) return false;
    loop.turn();
  }
  return true;
}

}  // namespace banyan::net
