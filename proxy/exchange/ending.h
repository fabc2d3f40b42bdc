// How the end of a request counts for its side of a rollout: which requests the gate compares, and as what.
//
// Only requests that a bucket sent to their side are compared: hashing makes both sides samples of the same
// clients. Not counted at all:
//   forced by a tester, or sent by a script's `side` or `percent`   chosen for what they are
//   refused by admission, answered without a target                 no side has seen them
//   cut by our own shutdown                                         nobody's fault
// When native is down its share goes to legacy. Those requests come at native's bad minutes, which are often
// bad for legacy too, so they are not legacy's; they are noted as diverted from native, and the gate waits.
#pragma once

#include <optional>

#include "base/error.h"
#include "http/head.h"
#include "http/inbound.h"
#include "route/decide.h"
#include "shm/rollout_statistics.h"

namespace banyan::exchange {

// The side a request counts for; none if it is not compared. `diverted` only with Side::native.
struct Compared {
  shm::Side side = shm::Side::none;
  bool diverted = false;
};
Compared compared_side(const route::Decision& decision);

struct EndFacts {
  http::StreamEnd end = http::StreamEnd::complete;
  int status = 0;                // sent to the client; 0: none
  const Error* error = nullptr;  // why it was not answered as it should
  bool fell_back = false;
};
// Nothing: does not count. A client's own faults are the side's answers; that it went away is only said when
// nothing else is known, because a slow side drives clients away.
std::optional<shm::Ending> ending_of(const EndFacts& facts);

// Server-sent events, in whatever case and with whatever parameters their type is written (RFC 9110
// section 8.3.1).
bool is_event_stream(const http::ResponseHead& head);

// An answer whose end says nothing about how fast it was, and may be hours away: tunnels and event streams.
// It counts when it begins, without duration; else failures, which are quick, would be counted long before
// the successes.
bool is_endless(const http::ResponseHead& head);

}  // namespace banyan::exchange
