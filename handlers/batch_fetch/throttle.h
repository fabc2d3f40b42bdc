// How many fetches a store can bear at the same time.
//
//   the median grows against what it was   fewer, in proportion ("gradient": Netflix concurrency-limits,
//                                          Gradient2; after TCP Vegas, Brakmo and Peterson 1995)
//   SlowDown, 503, 429, refused            fewer by a third, at most every 100 ms (AIMD, Chiu and Jain 1989)
//   all is well and the limit was used     more, by its square root for each window; by half as long as it is
//                                          less than before the store complained (after CUBIC, RFC 9438)
//
// The median, because a few objects that take seconds say nothing about the store. A latency that stays is
// learnt as the store's own within some seconds.
#pragma once

#include <cstddef>

#include "base/clock.h"
#include "handlers/batch_fetch/latencies.h"

namespace banyan::handlers {

class Throttle {
 public:
  // Begins at `most`, never goes below an eighth of it (at least 4).
  explicit Throttle(size_t most);

  size_t limit() const { return static_cast<size_t>(limit_); }
  // A fetch was answered while so many were under way.
  void note_answer(Duration taken, size_t under_way, TimePoint now);
  // The store says that it has too much to do.
  void note_overload(TimePoint now);

 private:
  void end_window(TimePoint now);

  const double most_;
  const double least_;
  double limit_;
  Latencies window_;
  TimePoint window_began_{};
  size_t most_under_way_ = 0;  // in the window
  double usual_ = 0;           // median in microseconds, averaged over many windows
  double before_cut_ = 0;
  TimePoint cut_at_{};
};

}  // namespace banyan::handlers
