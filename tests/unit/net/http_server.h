// A small HTTP/1.1 server for tests: one thread for each connection, answers from a function of the test.
#pragma once

#include <poll.h>
#include <sys/un.h>

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "unit/net/sockets.h"

namespace banyan::net {

class HttpServer {
 public:
  // Request head and body to the whole answer; an empty one, or "Connection: close" in it, closes the
  // connection. Called on the server's threads.
  using Answer = std::function<std::string(const std::string& request)>;

  explicit HttpServer(Answer answer) : HttpServer(listen_on_loopback(), std::move(answer)) {}
  HttpServer(OwnedFd listening, Answer answer)
      : answer_(std::move(answer)), listening_(std::move(listening)), acceptor_([this] { accept_all(); }) {}
  ~HttpServer() {
    let_go();
    shutdown(listening_.get(), SHUT_RDWR);
    acceptor_.join();
    {
      std::lock_guard lock(mutex_);
      for (OwnedFd& fd : connections_) shutdown(fd.get(), SHUT_RDWR);
    }
    for (std::thread& thread : threads_) thread.join();
  }

  uint16_t port() const { return bound_port(listening_.get()); }
  std::string url(std::string_view path) const {
    return "http://127.0.0.1:" + std::to_string(port()) + std::string(path);
  }
  int connections() const { return accepted_; }
  int requests() const { return requests_; }

  // Answers wait from hold() to let_go().
  void hold() {
    std::lock_guard lock(mutex_);
    held_ = true;
  }
  void let_go() {
    std::lock_guard lock(mutex_);
    held_ = false;
    changed_.notify_all();
  }

  static std::string ok(std::string_view body, std::string_view fields = "") {
    return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" +
           std::string(fields) + "\r\n" + std::string(body);
  }

 private:
  void accept_all() {
    while (true) {
      int fd = accept4(listening_.get(), nullptr, nullptr, SOCK_CLOEXEC);
      if (fd < 0) return;
      ++accepted_;
      std::lock_guard lock(mutex_);
      connections_.emplace_back(fd);
      threads_.emplace_back([this, fd] { serve(fd); });
    }
  }
  void serve(int fd) {
    std::string buffer;
    while (true) {
      std::string request = read_request(fd, buffer);
      if (request.empty()) break;
      ++requests_;
      {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [this] { return !held_; });
      }
      std::string answer = answer_(request);
      if (answer.empty() || send(fd, answer.data(), answer.size(), MSG_NOSIGNAL) < 0) break;
      if (answer.find("Connection: close") != answer.npos) break;
    }
    shutdown(fd, SHUT_RDWR);
  }
  static std::string read_request(int fd, std::string& buffer) {
    while (true) {
      size_t end = buffer.find("\r\n\r\n");
      if (end != buffer.npos) {
        size_t length = buffer.find("Content-Length: ");
        size_t size = end + 4;
        if (length < end) size += std::stoul(buffer.substr(length + 16));
        if (buffer.size() >= size) {
          std::string request = buffer.substr(0, size);
          buffer.erase(0, size);
          return request;
        }
      }
      char space[4096];
      ssize_t count = recv(fd, space, sizeof space, 0);
      if (count <= 0) return {};
      buffer.append(space, static_cast<size_t>(count));
    }
  }

  Answer answer_;
  OwnedFd listening_;
  std::atomic<int> accepted_ = 0;
  std::atomic<int> requests_ = 0;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool held_ = false;
  std::vector<OwnedFd> connections_;
  std::vector<std::thread> threads_;
  std::thread acceptor_;  // last: it uses all others
};

}  // namespace banyan::net
