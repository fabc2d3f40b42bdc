// Moves rollouts along: asks schedule and gate once a second and has the book write down what changes.
#pragma once

#include <string>

#include "base/clock.h"
#include "control/gate_source.h"
#include "control/rollout_book.h"

namespace banyan::control {

class RolloutDriver {
 public:
  // All must outlive the driver.
  RolloutDriver(RolloutBook& book, GateSource& gates, const Clock& clock)
      : book_(book), gates_(gates), clock_(clock) {}

  // To be called at least once a second, and after adopt().
  void tick();

 private:
  void tick(const std::string& name);

  RolloutBook& book_;
  GateSource& gates_;
  const Clock& clock_;
};

}  // namespace banyan::control
