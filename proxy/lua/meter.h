// How much a call may still do: instructions and time, spent by the virtual machine's count hook and by every
// library function that loops. Nothing here raises errors, so C++ code may use it anywhere.
#pragma once

#include <cstdint>
#include <ctime>

#include "base/clock.h"
#include "lua/outcome.h"

namespace banyan::lua {

class Meter {
 public:
  // For a call, which began at `now`.
  void start(std::chrono::nanoseconds wall, uint64_t instructions, TimePoint now) {
    left_ = instructions;
    deadline_ = now + wall;
    since_clock_ = 0;
    by_cpu_ = false;
    reached_ = Failure::none;
  }

  // For the loading of a script: the limit is processor time of this thread, because loading takes long
  // enough to be interrupted on a busy machine, and a reload must not fail for that.
  void start_by_cpu(std::chrono::nanoseconds time, uint64_t instructions) {
    start(time, instructions, thread_time());
    by_cpu_ = true;
  }

  // Takes `units` (a unit costs about as much as an instruction). False when a limit is reached.
  bool spend(uint64_t units) {
    if (units > left_) {
      left_ = 0;
      reached_ = Failure::instructions;
      return false;
    }
    left_ -= units;
    return delay(units);
  }

  // Counts work that is slow but no instruction (a scan inside one operation): it only brings the next look
  // at the clock closer.
  bool delay(uint64_t units) {
    since_clock_ += units;
    return since_clock_ < kClockInterval || in_time();
  }

  // Looks at the clock. False when the time is over.
  bool in_time() {
    since_clock_ = 0;
    if ((by_cpu_ ? thread_time() : MonotonicClock::now()) < deadline_) return true;
    reached_ = Failure::wall;
    return false;
  }

  // The limit that made one of the above return false.
  Failure reached() const { return reached_; }

 private:
  static constexpr uint64_t kClockInterval = 1000;

  static TimePoint thread_time() {
    timespec time{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return TimePoint(std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec));
  }

  uint64_t left_ = 0;
  uint64_t since_clock_ = 0;
  TimePoint deadline_{};
  bool by_cpu_ = false;
  Failure reached_ = Failure::none;
};

}  // namespace banyan::lua
