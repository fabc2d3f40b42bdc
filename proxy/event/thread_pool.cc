#include "event/thread_pool.h"

#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <csignal>

#include "base/check.h"
#include "event/loop.h"

namespace banyan::event {

struct PoolJob::State {
  std::function<void()> work;
  std::function<void()> done;  // emptied by cancel(); touched on the loop's thread only
};

void PoolJob::cancel() {
  if (state_) state_->done = nullptr;
  state_.reset();
}

bool PoolJob::pending() const { return state_ && state_->done; }

ThreadPool::ThreadPool(Loop& loop, size_t threads)
    : loop_(loop),
      thread_count_(threads),
      wakeup_fd_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)),
      wakeup_(loop, wakeup_fd_, IoWatch::Interest::read, Callback::to<&ThreadPool::on_finished>(this)) {
  CHECK(threads > 0);
  CHECK(wakeup_fd_ >= 0);
  CHECK(wakeup_.start());
}

ThreadPool::~ThreadPool() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    queue_.clear();
  }
  ready_.notify_all();
  for (std::thread& thread : threads_) thread.join();
  wakeup_.stop();
  close(wakeup_fd_);
}

PoolJob ThreadPool::submit(std::function<void()> work, std::function<void()> done) {
  PoolJob job;
  job.state_ = std::make_shared<PoolJob::State>(PoolJob::State{std::move(work), std::move(done)});
  enqueue(job.state_);
  return job;
}

void ThreadPool::submit_detached(std::function<void()> work) {
  enqueue(std::make_shared<PoolJob::State>(PoolJob::State{std::move(work), nullptr}));
}

size_t ThreadPool::queued() const {
  std::lock_guard lock(mutex_);
  return queue_.size();
}

void ThreadPool::enqueue(std::shared_ptr<PoolJob::State> job) {
  {
    std::lock_guard lock(mutex_);
    queue_.push_back(std::move(job));
  }
  if (threads_.empty()) {
    // Signals belong to the loop's thread.
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    for (size_t i = 0; i < thread_count_; ++i) threads_.emplace_back([this] { run_thread(); });
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
  }
  ready_.notify_one();
}

void ThreadPool::run_thread() {
  std::unique_lock lock(mutex_);
  while (true) {
    ready_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
    if (stopping_) return;
    std::shared_ptr<PoolJob::State> job = std::move(queue_.front());
    queue_.pop_front();
    lock.unlock();
    job->work();
    job->work = nullptr;
    lock.lock();
    finished_.push_back(std::move(job));
    uint64_t one = 1;
    // A full counter means the loop is already awake.
    [[maybe_unused]] ssize_t written = write(wakeup_fd_, &one, sizeof one);
  }
}

void ThreadPool::on_finished() {
  uint64_t count;
  [[maybe_unused]] ssize_t got = read(wakeup_fd_, &count, sizeof count);
  std::vector<std::shared_ptr<PoolJob::State>> finished;
  {
    std::lock_guard lock(mutex_);
    finished.swap(finished_);
  }
  for (auto& job : finished) {
    if (job->done) std::exchange(job->done, nullptr)();
  }
}

}  // namespace banyan::event
