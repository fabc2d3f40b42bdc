// How much of native's failure legacy is asked to carry. With native at 50% and broken, fallback for
// everybody would double what legacy gets, at the worst of times; so fallbacks may be a share of the
// rollout's requests (fallback_budget in banyan.toml(5)), and one a second besides, so that quiet rollouts
// always have theirs. Beyond that the client gets native's failure, and the gate ends the matter.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/clock.h"
#include "base/retry_budget.h"

namespace banyan::exchange {

// One worker's budgets of all rollouts, by their numbers in the directory; they live through reloads.
class FallbackBudgets {
 public:
  // `share` in hundredths of a percent, 10000: every request may fall back.
  void on_request(uint32_t rollout, uint32_t share) { budget(rollout, share).tokens.on_request(); }
  // True if one more is covered, and takes it.
  bool take(uint32_t rollout, uint32_t share, TimePoint now);

 private:
  struct Budget {
    uint32_t share;
    RetryBudget tokens;
    TimePoint last_free{};  // when the one of its second was taken
  };
  Budget& budget(uint32_t rollout, uint32_t share);

  std::vector<std::optional<Budget>> budgets_;
};

}  // namespace banyan::exchange
