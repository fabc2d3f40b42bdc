// Where the driver of rollouts gets its verdicts from: the statistics, or a test.
#pragma once

#include "control/gate_windows.h"

namespace banyan::control {

class GateSource {
 public:
  virtual ~GateSource() = default;
  // Judges native on what happened since its percentage was moved last, at that time.
  virtual rollout::Judgement judge(const config::Rollout& rollout, WallTime moved) = 0;
};

class WindowGates final : public GateSource {
 public:
  explicit WindowGates(GateWindows& windows) : windows_(windows) {}
  rollout::Judgement judge(const config::Rollout& rollout, WallTime moved) override {
    windows_.follow(rollout.name, moved);
    return windows_.look(rollout.name);
  }

 private:
  GateWindows& windows_;
};

}  // namespace banyan::control
