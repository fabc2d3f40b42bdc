// Whether a request may go to its route at all: overload, allow and deny lists, rate and concurrency limits,
// body size (nginx allow/deny, limit_req, limit_conn with their dry_run, client_max_body_size).
#pragma once

#include <optional>

#include "base/clock.h"
#include "exchange/identity.h"
#include "route/route.h"
#include "shm/counters.h"
#include "shm/in_flight.h"
#include "shm/labels.h"
#include "shm/rate_limiter.h"

namespace banyan::exchange {

struct Refusal {
  int status = 0;
  shm::RejectReason reason = shm::RejectReason::denied;
  Duration retry_after{};   // zero: no Retry-After
  std::string_view detail;  // for the client; static
};

// Whether the process has too little of something to take on more; told to each request.
class LoadJudge {
 public:
  // Nothing: it has all it needs.
  virtual std::optional<shm::OverloadReason> overloaded() const = 0;

 protected:
  ~LoadJudge() = default;
};

class Admission {
 public:
  // All outlive it; `load` may be null.
  Admission(shm::RateLimiter& rates, shm::InFlight& in_flight, shm::Counters& counters, const LoadJudge* load)
      : rates_(rates), in_flight_(in_flight), counters_(counters), load_(load) {}

  // Null: admitted; `ticket` then holds the place under a concurrency limit until it is destroyed.
  // `script_key` is what the routing script said, empty if nothing.
  std::optional<Refusal> judge(const route::Route& route, const http::RequestHead& head,
                               const Identity& identity, std::string_view script_key, TimePoint now,
                               shm::InFlight::Ticket& ticket);

 private:
  std::optional<Refusal> judge_load();
  std::optional<Refusal> judge_limit(const config::Limit& limit, uint64_t key, TimePoint now,
                                     shm::InFlight::Ticket& ticket);

  shm::RateLimiter& rates_;
  shm::InFlight& in_flight_;
  shm::Counters& counters_;
  const LoadJudge* load_;
};

}  // namespace banyan::exchange
