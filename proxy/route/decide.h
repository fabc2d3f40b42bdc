// Where a request goes, and why: static match, then the script, then the rollout. The data path and `explain`
// call the same function.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "lua/script.h"
#include "rollout/decide.h"
#include "route/router.h"

namespace banyan::route {

// The facts of one request; all must outlive the decision's use.
struct Request {
  const http::RequestHead& head;
  const handler::Client& client;
  std::span<const uint8_t> peer;  // the client's address, network order; empty for a unix socket
  uint64_t random = 0;            // new for each request
};

struct Decision {
  const Route* route = nullptr;  // null: 404, or 405 with other_method
  bool other_method = false;
  const Endpoint* endpoint = nullptr;      // who answers; null with redirect, reply and a script's status
  const RolloutTarget* rollout = nullptr;  // if a rollout chose
  rollout::Decision rolled;                // its decision
  shm::Side side = shm::Side::none;
  shm::Reason reason = shm::Reason::fixed;
  // When there is one and it was asked. Apart, because each request in flight holds a decision.
  std::unique_ptr<lua::CallResult> script;

  const lua::Outcome* outcome() const { return script ? &script->outcome : nullptr; }
};

// `script` may be null. Counts nothing, does no I/O but reading shared memory; a script's own statistics
// advance.
Decision decide(const Router& router, const TargetBook& targets, lua::Script* script, const Request& request);

}  // namespace banyan::route
