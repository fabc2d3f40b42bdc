// How much a call may still do: instructions and time, spent by the virtual machine's count hook and by every
// library function that loops. Nothing here raises errors, so C++ code may use it anywhere.
#pragma once

#include <algorithm>
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
    since_clock_ = 0;
    limit_ = wall;
    deadline_ = now + wall;
    last_deadline_ = now + kPatience * wall;
    processor_start_ = {};
    reached_ = Failure::none;
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

  // Looks at the clock. False when the time is over. Time in which the processor was busy with others is not
  // the script's: it is given back, up to kPatience times the limit in all.
  bool in_time() {
    since_clock_ = 0;
    if (processor_start_ == TimePoint()) processor_start_ = processor_time();
    TimePoint now = MonotonicClock::now();
    if (now < deadline_) return true;
    Duration used = processor_time() - processor_start_;
    deadline_ = std::min(now + limit_ - used, last_deadline_);
    if (now < deadline_) return true;
    reached_ = Failure::wall;
    return false;
  }

  // The limit that made one of the above return false.
  Failure reached() const { return reached_; }

 private:
  static constexpr uint64_t kClockInterval = 1000;

  static constexpr int kPatience = 50;

  // Of this thread.
  static TimePoint processor_time() {
    timespec time{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return TimePoint(std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec));
  }

  uint64_t left_ = 0;
  uint64_t since_clock_ = 0;
  Duration limit_{};
  TimePoint deadline_{};
  TimePoint last_deadline_{};
  TimePoint processor_start_{};  // at the first look at the clock
  Failure reached_ = Failure::none;
};

}  // namespace banyan::lua
