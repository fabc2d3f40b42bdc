#include "exchange/fallback.h"

namespace banyan::exchange {

bool may_fall_back(const FallbackFacts& facts) {
  const route::Decision& decision = facts.decision;
  if (!decision.rollout || decision.side != shm::Side::native || !decision.rollout->plan.fallback)
    return false;
  if (!facts.in_time || !facts.body_kept || !facts.request.upgrade.empty()) return false;
  return facts.nothing_sent || facts.retry == config::Route::Retry::always ||
         http::is_idempotent(facts.request.method);
}

shm::FallbackReason fallback_reason(const Error& error) {
  if (error.status == 504) return shm::FallbackReason::timeout;
  return error.type.starts_with("destination_") ? shm::FallbackReason::unavailable
                                                : shm::FallbackReason::error;
}

}  // namespace banyan::exchange
