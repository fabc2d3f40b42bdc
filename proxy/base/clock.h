// The kinds of time Banyan knows. Durations are std::chrono; units never hide in names.
#pragma once

#include <chrono>

namespace banyan {

using MonotonicClock = std::chrono::steady_clock;
using TimePoint = MonotonicClock::time_point;
using Duration = MonotonicClock::duration;
using WallTime = std::chrono::system_clock::time_point;
using Millis = std::chrono::milliseconds;

// A source of time that tests can drive. The process's own is SystemClock.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual TimePoint now() const = 0;
  virtual WallTime wall() const = 0;
};

class SystemClock final : public Clock {
 public:
  TimePoint now() const override { return MonotonicClock::now(); }
  WallTime wall() const override { return std::chrono::system_clock::now(); }
};

}  // namespace banyan
