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
    const Duration worst = std::max(worst_, worst_before_);
    return std::min<Duration>(timeout / 4, std::min<Duration>(kLeast + worst + worst / 4, kMost));
  }
  // The last byte of an answer that was aimed at a deadline went to the kernel so much later. The worst of
  // the last second or two counts, but not what only a client that does not read can explain.
  void note(Duration late, TimePoint now) {
    if (now - began_ > kWindow) {
      worst_before_ = now - began_ > 2 * kWindow ? Duration(0) : worst_;
      worst_ = Duration(0);
      began_ = now;
    }
    if (late <= kClients) worst_ = std::max(worst_, late);
  }

 private:
  static constexpr std::chrono::microseconds kLeast{6'000};
  static constexpr Millis kMost{40};
  static constexpr Millis kClients{60};
  static constexpr Millis kWindow{1'000};

  Duration worst_{}, worst_before_{};
  TimePoint began_{};
};

}  // namespace banyan::handlers
