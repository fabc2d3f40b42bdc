#include "handler/wake_queue.h"

#include <sys/eventfd.h>
#include <unistd.h>

namespace banyan::handler {

std::shared_ptr<WakeQueue> WakeQueue::make() {
  const int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (fd < 0) return nullptr;
  return std::shared_ptr<WakeQueue>(new WakeQueue(fd));
}

WakeQueue::~WakeQueue() { close(fd_); }

void WakeQueue::wake(const std::shared_ptr<WakeTarget>& target) {
  if (target->queued.exchange(true)) return;
  {
    std::lock_guard lock(mutex_);
    woken_.push_back(target);
  }
  const uint64_t one = 1;
  // A full counter means the loop is already awake.
  [[maybe_unused]] const ssize_t written = write(fd_, &one, sizeof one);
}

void WakeQueue::run() {
  uint64_t count;
  [[maybe_unused]] const ssize_t got = read(fd_, &count, sizeof count);
  std::vector<std::shared_ptr<WakeTarget>> woken;
  {
    std::lock_guard lock(mutex_);
    woken.swap(woken_);
  }
  for (const auto& target : woken) {
    // Cleared first: a wake during on_woken is another one.
    target->queued = false;
    if (target->on_woken) target->on_woken();
  }
}

}  // namespace banyan::handler
