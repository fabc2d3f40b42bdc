// A hub that does nothing but send: the frame of an event is made once, and each subscriber gets it by one
// send(), in the order in which they came. No limits, no queues, no channels. What another hub costs above
// this is what it does; what this costs is the kernel's.
//
//   event_floor        listens on a port of 127.0.0.1 that it prints: "listening ADDRESS"
//
// It believes its clients: who sends GET is a subscriber, who sends POST a publisher, and a subscriber that
// leaves ends the program.
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
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

constexpr std::string_view kUpgrade =
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
constexpr std::string_view kPublished = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
// As subscribers of other hubs have it, so that a client that does not read stalls this one, too.
constexpr int kSendBuffer = 16 * 1024;

struct Connection {
  int fd = -1;
  bool subscribed = false;
  std::string received;
};

// RFC 6455 section 5.2: one text frame, not masked; for less than 64 KiB.
std::string frame_of(std::string_view text) {
  std::string frame = "\x81";
  if (text.size() < 126) {
    frame += static_cast<char>(text.size());
  } else {
    frame += '\x7e';
    frame += static_cast<char>(text.size() >> 8);
    frame += static_cast<char>(text.size());
  }
  return frame.append(text);
}

class Floor {
 public:
  Floor() : epoll_(epoll_create1(EPOLL_CLOEXEC)), listener_(socket(AF_INET, kKind, 0)) {
    sockaddr_in here{};
    here.sin_family = AF_INET;
    here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof here;
    if (bind(listener_, reinterpret_cast<sockaddr*>(&here), size) != 0) die("bind");
    if (listen(listener_, 4096) != 0) die("listen");
    getsockname(listener_, reinterpret_cast<sockaddr*>(&here), &size);
    watch(listener_, nullptr);
    std::printf("listening 127.0.0.1:%d\n", ntohs(here.sin_port));
    std::fflush(stdout);
  }

  [[noreturn]] void run() {
    std::array<epoll_event, 64> events{};
    while (true) {
      const int count = epoll_wait(epoll_, events.data(), events.size(), -1);
      for (int i = 0; i < count; ++i) {
        auto* connection = static_cast<Connection*>(events[static_cast<size_t>(i)].data.ptr);
        if (connection == nullptr) {
          accept_all();
        } else {
          read(*connection);
        }
      }
    }
  }

 private:
  static constexpr int kKind = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;

  void watch(int fd, Connection* connection) {
    epoll_event event{};
    event.events = EPOLLIN | EPOLLET;
    event.data.ptr = connection;
    if (epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) != 0) die("epoll_ctl");
  }

  void accept_all() {
    int fd = -1;
    while ((fd = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
      const int on = 1;
      setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &kSendBuffer, sizeof kSendBuffer);
      connections_.push_back(std::make_unique<Connection>(Connection{fd, false, {}}));
      watch(fd, connections_.back().get());
    }
  }

  void read(Connection& from) {
    ssize_t got = 0;
    while ((got = recv(from.fd, space_.data(), space_.size(), 0)) > 0) {
      from.received.append(space_.data(), static_cast<size_t>(got));
    }
    if (got < 0 && errno == EAGAIN) return answer(from);
    if (from.subscribed) std::exit(0);
    close(from.fd);
  }

  void answer(Connection& from) {
    size_t end = 0;
    while ((end = from.received.find("\r\n\r\n")) != std::string::npos) {
      end += 4;
      if (from.received.starts_with("GET")) {
        send(from.fd, kUpgrade.data(), kUpgrade.size(), MSG_NOSIGNAL);
        from.subscribed = true;
        subscribers_.push_back(from.fd);
        from.received.clear();
        return;
      }
      const size_t length = from.received.find("Content-Length: ");
      if (length > end) die("a request without a length");
      const size_t size = std::strtoull(&from.received[length + 16], nullptr, 10);
      if (from.received.size() < end + size) return;
      send(from.fd, kPublished.data(), kPublished.size(), MSG_NOSIGNAL);
      publish(frame_of(std::string_view(from.received).substr(end, size)));
      from.received.erase(0, end + size);
    }
  }

  void publish(const std::string& frame) {
    for (const int fd : subscribers_) {
      if (send(fd, frame.data(), frame.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(frame.size()) &&
          errno != EAGAIN)
        die("send");
    }
  }

  int epoll_, listener_;
  std::vector<std::unique_ptr<Connection>> connections_;
  std::vector<int> subscribers_;
  std::array<char, 64 * 1024> space_{};
};

}  // namespace

int main() { Floor().run(); }
