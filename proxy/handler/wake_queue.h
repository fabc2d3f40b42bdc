// The way from any thread back to a call on the loop, for handler/abi_bridge: it outlives calls, handlers and
// the loop.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <vector>

#include "event/io.h"

namespace banyan::handler {

// What is woken. `on_woken` runs on the loop; the owner clears it there when it dies.
struct WakeTarget {
  Callback on_woken;
  std::atomic<bool> queued = false;
};

// An eventfd with a list. Shared by the loop's side (WakeWatch) and every waker.
class WakeQueue {
 public:
  // Null when the system has no descriptors left.
  static std::shared_ptr<WakeQueue> make();
  ~WakeQueue();
  WakeQueue(const WakeQueue&) = delete;
  WakeQueue& operator=(const WakeQueue&) = delete;

  // Any thread. Several before the loop's turn are one.
  void wake(const std::shared_ptr<WakeTarget>& target);
  // The loop's thread: runs what was woken.
  void run();
  int fd() const { return fd_; }

 private:
  explicit WakeQueue(int fd) : fd_(fd) {}

  int fd_;
  std::mutex mutex_;
  std::vector<std::shared_ptr<WakeTarget>> woken_;
};

// Runs a queue from a loop.
class WakeWatch {
 public:
  WakeWatch(event::Loop& loop, std::shared_ptr<WakeQueue> queue)
      : queue_(std::move(queue)),
        watch_(loop, queue_->fd(), event::IoWatch::Interest::read,
               Callback::to<&WakeQueue::run>(queue_.get())) {}
  [[nodiscard]] bool start() { return watch_.start(); }
  const std::shared_ptr<WakeQueue>& queue() const { return queue_; }

 private:
  std::shared_ptr<WakeQueue> queue_;
  event::IoWatch watch_;  // destroyed before the descriptor may be closed
};

}  // namespace banyan::handler
