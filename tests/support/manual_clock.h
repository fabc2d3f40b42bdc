// A clock that stands still until the test moves it.
#pragma once

#include "base/clock.h"

namespace banyan::testing {

class ManualClock final : public Clock {
 public:
  explicit ManualClock(WallTime start = WallTime(std::chrono::milliseconds(1'763'000'000'123)))
      : wall_(start) {}
  TimePoint now() const override { return TimePoint(wall_.time_since_epoch()); }
  WallTime wall() const override { return wall_; }
  void advance(Duration by) { wall_ += std::chrono::duration_cast<WallTime::duration>(by); }

 private:
  WallTime wall_;
};

}  // namespace banyan::testing
