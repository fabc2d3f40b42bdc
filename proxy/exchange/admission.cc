#include "exchange/admission.h"

#include "base/stable_hash.h"
#include "rollout/request_keys.h"

namespace banyan::exchange {
namespace {

// Stands for the limit and the client together.
uint64_t limit_key(const route::Route& route, const http::RequestHead& head, const Identity& identity) {
  rollout::RequestKeys keys(head, identity.client().ip);
  rollout::StickyKey key = rollout::find_sticky_key({&route.rules().limit->key, 1}, keys);
  // Clients without the cookie or header share one place: leaving it out must not lift the limit.
  return stable_hash(key.value, stable_hash(route.name()));
}

}  // namespace

std::optional<Refusal> Admission::judge(const route::Route& route, const http::RequestHead& head,
                                        const Identity& identity, TimePoint now,
                                        shm::InFlight::Ticket& ticket) {
  const config::Route& rules = route.rules();
  auto address = identity.address().bytes();
  if (config::contains(rules.deny, address) ||
      (!rules.allow.empty() && !config::contains(rules.allow, address))) {
    return Refusal{403, shm::RejectReason::denied, {}, {}};
  }
  if (rules.max_body > 0 && head.body.kind == http::BodyKind::sized && head.body.size > rules.max_body) {
    return Refusal{413, shm::RejectReason::body_size, {}, "request body is larger than this route allows"};
  }
  if (!rules.limit) return std::nullopt;
  uint64_t key = limit_key(route, head, identity);
  if (rules.limit->rate.count > 0) {
    shm::RateLimiter::Rate rate{rules.limit->rate.count, rules.limit->rate.period, rules.limit->burst};
    auto verdict = rates_.allow(key, rate, now);
    if (!verdict.allowed)
      return Refusal{429, shm::RejectReason::rate, verdict.retry_after, "too many requests"};
  }
  if (rules.limit->concurrency > 0) {
    auto place = in_flight_.enter(key, rules.limit->concurrency);
    if (!place) {
      return Refusal{429, shm::RejectReason::concurrency, std::chrono::seconds(1),
                     "too many requests at the same time"};
    }
    ticket = std::move(*place);
  }
  return std::nullopt;
}

}  // namespace banyan::exchange
