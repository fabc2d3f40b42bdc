#include "exchange/admission.h"

#include "base/stable_hash.h"
#include "rollout/request_keys.h"

namespace banyan::exchange {
namespace {

// Stands for the limit and what it counts together.
uint64_t limit_key(const route::Route& route, const http::RequestHead& head, const Identity& identity,
                   std::string_view script_key) {
  const config::LimitKey& key = route.rules().limit->key;
  const uint64_t seed = stable_hash(route.name());
  switch (key.kind) {
    case config::LimitKey::Kind::route:
      return seed;
    case config::LimitKey::Kind::script:
      return script_key.empty() ? stable_hash(identity.client().ip, seed)
                                : stable_hash(script_key, stable_hash("lua", seed));
    case config::LimitKey::Kind::client:
      break;
  }
  rollout::RequestKeys keys(head, identity.client().ip);
  const rollout::StickyKey found = rollout::find_sticky_key({&key.client, 1}, keys);
  if (found.source == rollout::KeySource::client_ip) return stable_hash(found.value, seed);
  // Without the cookie or header the address is counted: leaving it out must neither lift the limit nor be at
  // the expense of all others who have none.
  return found.value.empty() ? stable_hash(identity.client().ip, seed)
                             : stable_hash(found.value, stable_hash("key", seed));
}

}  // namespace

std::optional<Refusal> Admission::judge(const route::Route& route, const http::RequestHead& head,
                                        const Identity& identity, std::string_view script_key, TimePoint now,
                                        shm::InFlight::Ticket& ticket) {
  if (auto refusal = judge_load()) return refusal;
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
  auto refusal = judge_limit(*rules.limit, limit_key(route, head, identity, script_key), now, ticket);
  if (!refusal || !rules.limit->dry_run) return refusal;
  counters_.counter(shm::Metric::http_limit_dry_run, route.number(), refusal->reason).add();
  return std::nullopt;
}

std::optional<Refusal> Admission::judge_load() {
  const std::optional<shm::OverloadReason> reason = load_ ? load_->overloaded() : std::nullopt;
  if (!reason) return std::nullopt;
  counters_.counter(shm::Metric::overload_shed, *reason).add();
  return Refusal{503, shm::RejectReason::overload, std::chrono::seconds(1), "the gateway is overloaded"};
}

std::optional<Refusal> Admission::judge_limit(const config::Limit& limit, uint64_t key, TimePoint now,
                                              shm::InFlight::Ticket& ticket) {
  if (limit.rate.count > 0) {
    auto verdict = rates_.allow(key, {limit.rate.count, limit.rate.period, limit.burst}, now);
    if (!verdict.allowed) {
      return Refusal{429, shm::RejectReason::rate, verdict.retry_after, "too many requests"};
    }
  }
  if (limit.concurrency > 0) {
    auto place = in_flight_.enter(key, limit.concurrency);
    if (!place) {
      return Refusal{429, shm::RejectReason::concurrency, std::chrono::seconds(1),
                     "too many requests at the same time"};
    }
    ticket = std::move(*place);
  }
  return std::nullopt;
}

}  // namespace banyan::exchange
