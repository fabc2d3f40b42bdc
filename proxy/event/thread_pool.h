// Threads for what must not run on the loop: blocking calls (files, DNS, getpwnam) and CPU-bound handlers.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "event/io.h"

namespace banyan::event {

class Loop;

// A job handed to the pool. Destroying the handle means: do not call `done`. The work itself, once begun,
// runs to its end; what it needs must therefore be owned by the functions (captured by value or shared_ptr).
class PoolJob {
 public:
  PoolJob() = default;
  PoolJob(PoolJob&&) = default;
  PoolJob& operator=(PoolJob&& other) {
    cancel();
    state_ = std::move(other.state_);
    return *this;
  }
  ~PoolJob() { cancel(); }
  void cancel();
  bool pending() const;

 private:
  friend class ThreadPool;
  struct State;
  std::shared_ptr<State> state_;
};

class ThreadPool {
 public:
  // Threads start with the first job. REQUIRES: loop outlives the pool.
  ThreadPool(Loop& loop, size_t threads);
  // Waits for running jobs; queued ones are dropped.
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  // Runs `work` on a pool thread, then `done` on the loop.
  [[nodiscard]] PoolJob submit(std::function<void()> work, std::function<void()> done);
  // The same for work whose end nobody waits for.
  void submit_detached(std::function<void()> work);
  // Jobs not begun yet.
  size_t queued() const;

 private:
  void run_thread();
  void on_finished();
  void enqueue(std::shared_ptr<PoolJob::State> job);

  Loop& loop_;
  size_t thread_count_;
  int wakeup_fd_;
  IoWatch wakeup_;
  mutable std::mutex mutex_;
  std::condition_variable ready_;
  std::deque<std::shared_ptr<PoolJob::State>> queue_;
  std::vector<std::shared_ptr<PoolJob::State>> finished_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace banyan::event
