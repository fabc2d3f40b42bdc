// Who ended a request and in which phase, for the access log.
#pragma once

#include "base/error.h"
#include "exchange/long_lived.h"
#include "http/inbound.h"

namespace banyan::exchange {

// Two letters after HAProxy's termination state ("--": it ended well).
//   C client · S server · P proxy · K the process stopped   (lower case: by a time-out)
//   R request · C connect · H waiting for the head · D body · Q queue
struct Termination {
  char who = '-';
  char phase = '-';
};

struct TerminationFacts {
  http::StreamEnd end = http::StreamEnd::complete;
  LongLived::Cause ended_by = LongLived::Cause::none;  // a long-lived answer that we ended
  bool responded = false;                              // the answer's head was given to the stream
  bool refused = false;                                // by admission
  const Error* error = nullptr;                        // why it was not answered as it should; null: it was
};
Termination termination_of(const TerminationFacts& facts);

}  // namespace banyan::exchange
