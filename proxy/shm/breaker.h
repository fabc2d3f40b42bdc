// The circuit breaker of an upstream, one for all workers (Nygard, "Release It!", 2007; states as in
// resilience4j).
//
//   closed ── too many of the last requests failed ──▶ open ── after a while ──▶ half-open
//     ▲                                                 ▲                            │
//     │                                                 └──── a trial failed ────────┤
//     └────────────────────── as many trials as asked for succeeded ─────────────────┘
//
// Open, nothing goes to the upstream; half-open, a few trial requests do. Each opening soon after the last
// one lasts twice as long. Trials of a worker that is killed end nothing: after a while the upstream is tried
// anew.
#pragma once

#include <string_view>

#include "base/clock.h"
#include "shm/segment.h"

namespace banyan::shm {

enum class BreakerState : uint8_t { closed, open, half_open };
std::string_view breaker_state_name(BreakerState state);  // "half-open"

class Breaker {
 public:
  struct Rules {
    uint32_t failures = 5000;  // share of the requests that opens it, hundredths of a percent; not 0
    uint32_t requests = 20;    // fewer than that in the window say nothing
    Millis window{};           // which requests count, at least 8 ms
    Millis time{};             // of the first opening
    Millis time_max{};         // of all further ones
    uint32_t trials = 3;       // that must succeed; so many are let through half-open
  };
  // What a request that was let through has to bring back with its result.
  struct Pass {
    TimePoint began{};
    bool trial = false;
  };
  enum class Change { none, opened, closed };

  // REQUIRES: number is an upstream's in the directory. The segment must outlive this.
  Breaker(const Segment& segment, uint32_t number, const Rules& rules)
      : area_(&segment.layout().breakers[number]), rules_(rules) {}

  // Whether admit() would let a request through.
  bool admits(TimePoint now) const;
  // True: let it through, and give the pass to note() or abandon(). Any process.
  bool admit(TimePoint now, Pass& pass);
  // How a request ended. Those that began before the last change of state tell nothing of the present one.
  // Of several processes that see a change at the same time one is told.
  Change note(const Pass& pass, bool good, TimePoint now);
  // The request ended without saying anything about the upstream (its client went away).
  void abandon(const Pass& pass);

  BreakerState state() const;
  // When it will be tried again, for BreakerState::open.
  TimePoint open_until() const;

 private:
  struct View;
  bool too_many(uint64_t tick) const;
  bool change(View from, BreakerState to, uint32_t openings, TimePoint now);
  bool open(View from, TimePoint now);
  Duration open_time(uint32_t openings) const;

  BreakerArea* area_;
  Rules rules_;
};

// What the breaker of that number is in, for those who do not know its rules.
BreakerState breaker_state(const Segment& segment, uint32_t number);

}  // namespace banyan::shm
