// How late deadlines are met lately, so that they can be aimed at earlier: timers are up to a millisecond
// late, and other events of the same turn of the loop may come first.
#pragma once

#include <algorithm>

#include "event/deferred.h"
#include "event/loop.h"

namespace banyan::handlers {

class Lateness {
 public:
  explicit Lateness(event::Loop& loop) : loop_(loop), look_(loop, Callback::to<&Lateness::look>(this)) {}

  // So much before its deadline an answer should be begun.
  Duration margin(Duration timeout) const {
    return std::min<Duration>(timeout / 2, std::clamp<Duration>(kLeast + worst_, kLeast, kMost));
  }
  // An answer that was due then is now on its way to the socket, behind what else is to be written.
  void note(TimePoint due) {
    if (!look_.scheduled()) due_ = due;
    look_.schedule();
  }

 private:
  // Rises at once and sinks slowly.
  void look() {
    const Duration late = std::max(loop_.fresh_now() - due_, Duration(0));
    worst_ = late > worst_ ? late : worst_ - (worst_ - late) / 16;
  }

  static constexpr std::chrono::microseconds kLeast{2'000};
  static constexpr Millis kMost{30};

  event::Loop& loop_;
  event::Deferred look_;
  TimePoint due_{};
  Duration worst_{};
};

}  // namespace banyan::handlers
