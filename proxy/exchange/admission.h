// Whether a request may go to its route at all: allow and deny lists, rate and concurrency limits, body size
// (nginx allow/deny, limit_req, limit_conn, client_max_body_size).
#pragma once

#include <optional>

#include "base/clock.h"
#include "exchange/identity.h"
#include "route/route.h"
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

class Admission {
 public:
  Admission(shm::RateLimiter& rates, shm::InFlight& in_flight) : rates_(rates), in_flight_(in_flight) {}

  // Null: admitted; `ticket` then holds the place under a concurrency limit until it is destroyed.
  std::optional<Refusal> judge(const route::Route& route, const http::RequestHead& head,
                               const Identity& identity, TimePoint now, shm::InFlight::Ticket& ticket);

 private:
  shm::RateLimiter& rates_;
  shm::InFlight& in_flight_;
};

}  // namespace banyan::exchange
