#include "exchange/fallback_budget.h"

namespace banyan::exchange {

bool FallbackBudgets::take(uint32_t rollout, uint32_t share, TimePoint now) {
  Budget& own = budget(rollout, share);
  if (own.tokens.take()) return true;
  if (share == 0 || now - own.last_free < std::chrono::seconds(1)) return false;
  own.last_free = now;
  return true;
}

FallbackBudgets::Budget& FallbackBudgets::budget(uint32_t rollout, uint32_t share) {
  if (rollout >= budgets_.size()) budgets_.resize(rollout + 1);
  std::optional<Budget>& own = budgets_[rollout];
  if (!own || own->share != share) own = Budget{share, RetryBudget(share)};
  return *own;
}

}  // namespace banyan::exchange
