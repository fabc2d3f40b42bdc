// Gives memory that a peak has left behind back to the kernel. The C library does so only at the end of its
// heap, where after a peak some small thing that lives on usually is: a worker that had 600 MB in use for a
// second would hold them for weeks, and one that refuses requests for want of memory would refuse for ever.
//
// Looked at once a second. It is worth it from kWorthIt above the least the process ever had, and it waits
// for a second with little to do, because free memory is scattered among what is in use while there is much
// of that. What cannot be had is asked for again twice as late each time, up to about a minute, until there
// is more.
#pragma once

#include <cstdint>

#include "base/clock.h"
#include "event/thread_pool.h"
#include "process/resident_memory.h"

namespace banyan::process {

class HeapTrim {
 public:
  static constexpr uint64_t kWorthIt = 16 * 1024 * 1024;

  // The work is done on a thread of the pool. Both outlive it.
  HeapTrim(event::ThreadPool& pool, const ResidentMemory& memory) : pool_(pool), memory_(memory) {}

  // When so many bytes are resident, it does not wait for quiet; 0: it always does.
  void set_limit(uint64_t bytes) { limit_ = bytes; }
  void on_second();

 private:
  bool quiet();
  void on_trimmed();

  event::ThreadPool& pool_;
  const ResidentMemory& memory_;
  event::PoolJob job_;
  uint64_t limit_ = 0;
  uint64_t least_ = UINT64_MAX;  // resident bytes, ever
  uint64_t left_ = UINT64_MAX;   // after the last trim
  uint32_t pause_ = 1;           // seconds to the next one
  uint32_t paused_ = 0;
  Duration processor_time_{};
};

}  // namespace banyan::process
