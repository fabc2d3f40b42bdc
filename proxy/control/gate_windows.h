// Samples what both sides of each rollout did, and judges it.
//
//   segment ── sample(), every second ──▶ difference ─┬─▶ ten slices of the window, and the one being filled
//                                                     └─▶ rollout::Evidence of the period
//
// A period begins when the percentage is moved (a step, an order): shares of traffic differ before and after,
// so the two are never added up. Requests that end right after it are left out (kSettle): a side that has
// just begun to get requests has had no time for its slow ones.
//
// All this lives in memory. A controller that was killed begins again with an empty window, so the verdict is
// `hold` until there is enough, and with new evidence whose weights go on with the age of the period (see
// evidence.h): when the percentage was moved is durable, so the promise of alpha holds over the restart,
// except that a controller that dies more than once within one window uses a weight twice.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "config/schema.h"
#include "rollout/gate.h"
#include "shm/directory.h"
#include "shm/segment.h"

namespace banyan::control {

class GateWindows {
 public:
  // All must outlive it.
  GateWindows(const shm::Segment& segment, shm::Directory& directory, const Clock& clock);
  ~GateWindows();

  // From now on these are the rollouts. One whose window stays the same keeps what is known of it.
  // REQUIRES: their names are in the directory.
  void adopt(const std::vector<config::Rollout>& rollouts);

  // Takes in what was counted since the last call. Every second; more often does no harm.
  void sample();

  // The percentage was moved last at that time (WallTime{}: before anybody remembers). A time not said before
  // begins a new period. REQUIRES: an adopted rollout, as below.
  void follow(std::string_view name, WallTime moved);

  // What the gate says. Without a gate the verdict is pass, and the numbers are those of ten minutes.
  rollout::Judgement look(std::string_view name) const;

 private:
  struct Watch;

  Watch& find(std::string_view name) const;
  void begin_period(Watch& watch, WallTime moved) const;
  void take_in(Watch& watch) const;

  const shm::Segment& segment_;
  shm::Directory& directory_;
  const Clock& clock_;
  const WallTime born_;
  std::map<std::string, std::unique_ptr<Watch>, std::less<>> watches_;
};

}  // namespace banyan::control
