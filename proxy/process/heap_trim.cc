#include "process/heap_trim.h"

#include <malloc.h>

#include <algorithm>
#include <ctime>
#include <utility>

namespace banyan::process {
namespace {

// Of processor time in a second, all threads together: a process with less to do is quiet.
constexpr Duration kQuiet = std::chrono::milliseconds(250);
constexpr uint32_t kLongestPause = 64;

Duration processor_time() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

}  // namespace

void HeapTrim::on_second() {
  const bool is_quiet = quiet();
  if (job_.pending()) return;
  const uint64_t resident = memory_.bytes();
  least_ = std::min(least_, resident);
  if (resident < least_ + kWorthIt) return;
  if (resident >= left_ && resident - left_ >= kWorthIt) {
    pause_ = 1;
    paused_ = 0;
  }
  if (paused_ > 0) --paused_;
  const bool needed = limit_ > 0 && resident >= limit_;
  if (paused_ > 0 || !(is_quiet || needed)) return;
  job_ = pool_.submit([] { malloc_trim(0); }, [this] { on_trimmed(); });
}

void HeapTrim::on_trimmed() {
  left_ = memory_.bytes();
  paused_ = pause_;
  pause_ = std::min(2 * pause_, kLongestPause);
}

bool HeapTrim::quiet() {
  const Duration before = std::exchange(processor_time_, processor_time());
  return processor_time_ - before < kQuiet;
}

}  // namespace banyan::process
