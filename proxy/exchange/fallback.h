// Whether legacy may answer what native could not.
#pragma once

#include "base/error.h"
#include "config/schema.h"
#include "http/head.h"
#include "route/decide.h"
#include "shm/labels.h"

namespace banyan::exchange {

struct FallbackFacts {
  const route::Decision& decision;
  const http::RequestHead& request;
  config::Route::Retry retry;
  bool in_time;       // the request's deadline has not passed
  bool body_kept;     // what was read of the request's body can be read again
  bool nothing_sent;  // native has seen no byte of the request
};
// True if the rollout wants it, native is who was asked, and a second execution does no harm: nothing was
// sent, the route says so, or the method is idempotent (RFC 9110 section 9.2.2).
bool may_fall_back(const FallbackFacts& facts);

// As what a failure of native is counted.
shm::FallbackReason fallback_reason(const Error& error);

}  // namespace banyan::exchange
