// How late answers leave lately, so that deadlines can be aimed at earlier: timers are up to a millisecond
// late, other events of the same turn of the loop may come first, and a large answer needs a client that
// reads.
#pragma once

#include <algorithm>

#include "base/clock.h"

namespace banyan::handlers {

class Lateness {
 public:
  // So much before its deadline an answer should be begun.
  Duration margin(Duration timeout) const {
    return std::min<Duration>(timeout / 4, std::min<Duration>(kLeast + worst_ + worst_ / 2, kMost));
  }
  // The last byte of an answer that was aimed at a deadline went to the kernel so much later. Rises at once
  // and sinks slowly; what only a client that does not read can explain does not count.
  void note(Duration late) {
    if (late > kClients) return;
    worst_ = late > worst_ ? late : worst_ - (worst_ - late) / 32;
  }

 private:
  static constexpr std::chrono::microseconds kLeast{3'000};
  static constexpr Millis kMost{40};
  static constexpr Millis kClients{60};

  Duration worst_{};
};

}  // namespace banyan::handlers
