// Timers in a hierarchical wheel: starting and stopping one is a few pointer writes, whatever the number of
// timers. Resolution is one millisecond, rounded up: a timer never fires early.
#pragma once

#include <array>
#include <cstdint>

#include "base/callback.h"
#include "base/clock.h"

namespace banyan::event {

class Loop;
class TimerWheel;

class Timer {
 public:
  // The loop must outlive the timer. `run` is called from the loop; it may start the timer again or destroy
  // it.
  Timer(Loop& loop, Callback run);
  ~Timer() { stop(); }
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  // Fires once after `delay`; a running timer is moved.
  void start(Duration delay);
  void start_at(TimePoint when);
  void stop();
  bool running() const { return next_ != nullptr; }
  TimePoint when() const;  // REQUIRES: running()

 private:
  friend class TimerWheel;
  Loop* loop_;
  Callback run_;
  Timer* previous_ = nullptr;
  Timer* next_ = nullptr;
  uint64_t due_ = 0;   // milliseconds since the wheel's start
  uint16_t slot_ = 0;  // level * 64 + index, or kFiring
};

// The wheel itself; the loop owns one. Six levels of 64 slots reach two years.
class TimerWheel {
 public:
  explicit TimerWheel(TimePoint start);

  // When advance() should be called next (may be early for far timers); TimePoint::max() when empty.
  TimePoint next_deadline() const;
  // Fires what is due at `now`.
  void advance(TimePoint now);

 private:
  friend class Timer;
  static constexpr int kLevels = 6;
  static constexpr uint16_t kFiring = kLevels * 64;

  struct Expiry {
    int level;
    int index;
    uint64_t at;
  };

  void insert(Timer& timer);
  void remove(Timer& timer);
  bool find_next(Expiry& expiry) const;
  TimePoint time_of(uint64_t tick) const { return start_ + Millis(tick); }

  TimePoint start_;
  uint64_t current_ = 0;
  std::array<uint64_t, kLevels> occupied_{};
  std::array<Timer*, kLevels * 64 + 1> slots_{};  // heads of doubly linked lists; the last one is being fired
};

}  // namespace banyan::event
