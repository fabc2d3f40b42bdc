#include "base/retry_budget.h"

#include <algorithm>

namespace banyan {

void RetryBudget::on_request() { tokens_ = std::min(tokens_ + share_, kMost); }

bool RetryBudget::take() {
  if (tokens_ < kOne) return false;
  tokens_ -= kOne;
  return true;
}

}  // namespace banyan
