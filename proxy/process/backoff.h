// When a process that died is started again: at once, unless it dies again and again.
#pragma once

#include <deque>

#include "base/clock.h"

namespace banyan::process {

// One for each place (worker 0, worker 1, the controller). After kDeaths within kWindow each further start
// waits, twice as long as the one before, up to kLongest; a place that was quiet for a whole window begins
// anew.
class Backoff {
 public:
  static constexpr size_t kDeaths = 5;
  static constexpr Duration kWindow = std::chrono::seconds(10);
  static constexpr Duration kFirst = std::chrono::milliseconds(500);
  static constexpr Duration kLongest = std::chrono::seconds(10);

  // Notes a death and tells how long to wait before the next start.
  Duration on_death(TimePoint now);
  // True while starts are being delayed: worth an error in the log instead of a warning.
  bool slowed() const { return pause_ > Duration::zero(); }

 private:
  std::deque<TimePoint> deaths_;  // the last kDeaths
  Duration pause_{};
};

}  // namespace banyan::process
