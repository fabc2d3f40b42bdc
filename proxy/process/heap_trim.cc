#include "process/heap_trim.h"

#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
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

uint64_t resident_bytes() {
  unsigned long total = 0, resident = 0;
  std::FILE* file = std::fopen("/proc/self/statm", "re");
  if (!file) return 0;
  const bool read = std::fscanf(file, "%lu %lu", &total, &resident) == 2;
  std::fclose(file);
  return read ? uint64_t{resident} * static_cast<uint64_t>(sysconf(_SC_PAGESIZE)) : 0;
}

void HeapTrim::on_second() {
  const bool is_quiet = quiet();
  if (job_.pending()) return;
  const uint64_t resident = resident_bytes();
  least_ = std::min(least_, resident);
  if (resident < least_ + kWorthIt) return;
  if (resident >= left_ && resident - left_ >= kWorthIt) pause_ = 1, paused_ = 0;
  if (paused_ > 0) --paused_;
  const bool needed = limit_ > 0 && resident >= limit_;
  if (paused_ > 0 || !(is_quiet || needed)) return;
  job_ = pool_.submit([] { malloc_trim(0); }, [this] { on_trimmed(); });
}

void HeapTrim::on_trimmed() {
  left_ = resident_bytes();
  paused_ = pause_;
  pause_ = std::min(2 * pause_, kLongestPause);
}

bool HeapTrim::quiet() {
  const Duration before = std::exchange(processor_time_, processor_time());
  return processor_time_ - before < kQuiet;
}

}  // namespace banyan::process
