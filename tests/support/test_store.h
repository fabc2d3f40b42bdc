// An object store for tests, on 127.0.0.1 with threads of its own: answers as it is told, and can stall,
// break off, reset, and tell what it was asked.
//
//   TestStore store([](const StoreRequest& request) { return StoreReply::object("text/plain", request.path);
//   }); … origin = store.origin()
#pragma once

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <condition_variable>
#include <functional>
#include <list>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/check.h"

namespace banyan::testing {

struct StoreRequest {
  std::string method;
  std::string path;                           // as sent, with query
  std::map<std::string, std::string> fields;  // names in lower case
};

struct StoreReply {
  enum class Then { keep, stall, close, reset };  // stall: until the client goes away
  std::string bytes;
  Then then = Then::keep;
  bool held = false;  // not before release()

  static StoreReply status(int status, std::string_view body = "") {
    return {fmt::format("HTTP/1.1 {} X\r\nContent-Length: {}\r\n\r\n{}", status, body.size(), body)};
  }
  static StoreReply object(std::string_view type, std::string_view body) {
    return {fmt::format("HTTP/1.1 200 OK\r\nContent-Type: {}\r\nETag: \"e\"\r\nContent-Length: {}\r\n\r\n{}",
                        type, body.size(), body)};
  }
};

class TestStore {
 public:
  // `answer` is called on the store's threads, one call at a time.
  explicit TestStore(std::function<StoreReply(const StoreRequest&)> answer) : answer_(std::move(answer)) {
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    CHECK(bind(listener_, reinterpret_cast<sockaddr*>(&address), size) == 0);
    CHECK(listen(listener_, 512) == 0);
    CHECK(getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
    port_ = ntohs(address.sin_port);
    acceptor_ = std::thread([this] { accept_all(); });
  }

  ~TestStore() {
    release();
    {
      std::lock_guard lock(mutex_);
      stopping_ = true;
      for (int fd : connections_) shutdown(fd, SHUT_RDWR);
    }
    shutdown(listener_, SHUT_RDWR);
    acceptor_.join();
    for (std::thread& thread : threads_) thread.join();
    close(listener_);
  }

  std::string origin() const { return fmt::format("http://127.0.0.1:{}/bucket", port_); }
  uint16_t port() const { return port_; }

  // Lets go of the held replies, now and later.
  void release() {
    std::lock_guard lock(mutex_);
    released_ = true;
    changed_.notify_all();
  }

  std::vector<StoreRequest> requests() const { return locked(requests_); }
  size_t accepted() const { return locked(accepted_); }
  // Requests whose reply is not finished.
  size_t open() const { return locked(open_); }
  size_t most_open() const { return locked(most_open_); }

 private:
  template <class T>
  T locked(const T& value) const {
    std::lock_guard lock(mutex_);
    return value;
  }

  void accept_all() {
    while (true) {
      const int fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (fd < 0) return;
      std::lock_guard lock(mutex_);
      ++accepted_;
      connections_.push_back(fd);
      auto place = std::prev(connections_.end());
      threads_.emplace_back([this, fd, place] {
        serve(fd);
        std::lock_guard lock(mutex_);
        connections_.erase(place);
        close(fd);
      });
      if (stopping_) shutdown(fd, SHUT_RDWR);
    }
  }

  void serve(int fd) {
    std::string input;
    while (true) {
      const size_t end = input.find("\r\n\r\n");
      if (end == std::string::npos) {
        char buffer[4096];
        const ssize_t got = recv(fd, buffer, sizeof buffer, 0);
        if (got <= 0) return;
        input.append(buffer, static_cast<size_t>(got));
        continue;
      }
      const StoreRequest request = parse(input.substr(0, end));
      input.erase(0, end + 4);
      if (!reply(fd, request)) return;
    }
  }

  // False: the connection is at its end.
  bool reply(int fd, const StoreRequest& request) {
    std::unique_lock lock(mutex_);
    requests_.push_back(request);
    most_open_ = std::max(most_open_, ++open_);
    const StoreReply reply = answer_(request);
    if (reply.held) changed_.wait(lock, [this] { return released_; });
    lock.unlock();
    size_t sent = 0;
    while (sent < reply.bytes.size()) {
      const ssize_t count = ::send(fd, reply.bytes.data() + sent, reply.bytes.size() - sent, MSG_NOSIGNAL);
      if (count <= 0) break;
      sent += static_cast<size_t>(count);
    }
    if (reply.then == StoreReply::Then::stall) {
      char byte;
      while (recv(fd, &byte, 1, 0) > 0) {
      }
    }
    if (reply.then == StoreReply::Then::reset) {
      const linger now{1, 0};
      setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    }
    lock.lock();
    --open_;
    return reply.then == StoreReply::Then::keep;
  }

  static StoreRequest parse(std::string_view head) {
    StoreRequest request;
    const std::string_view line = head.substr(0, head.find("\r\n"));
    const size_t space = line.find(' ');
    request.method = line.substr(0, space);
    request.path = line.substr(space + 1, line.rfind(' ') - space - 1);
    for (size_t at = head.find("\r\n"); at != std::string_view::npos; at = head.find("\r\n", at + 2)) {
      const std::string_view field = head.substr(at + 2, head.find("\r\n", at + 2) - at - 2);
      const size_t colon = field.find(": ");
      std::string name(field.substr(0, colon));
      for (char& c : name) c = static_cast<char>(tolower(c));
      if (colon != std::string_view::npos) request.fields[name] = field.substr(colon + 2);
    }
    return request;
  }

  std::function<StoreReply(const StoreRequest&)> answer_;
  int listener_;
  uint16_t port_ = 0;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool released_ = false;
  bool stopping_ = false;
  std::vector<StoreRequest> requests_;
  size_t accepted_ = 0;
  size_t open_ = 0;
  size_t most_open_ = 0;
  std::list<int> connections_;
  std::list<std::thread> threads_;
  std::thread acceptor_;
};

}  // namespace banyan::testing
