// A route of one configuration, ready for requests: its conditions compiled, its targets found.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "config/schema.h"
#include "handler/handler.h"
#include "rollout/plan.h"
#include "rollout/state.h"
#include "route/conditions.h"
#include "route/rewrite.h"

namespace banyan::route {

// One side of a rollout, or the target of a route without one. The handler belongs to the generation.
struct Endpoint {
  std::string name;  // "upstream.node"
  handler::Handler* handler = nullptr;
};

// A rollout with its handlers; belongs to the generation.
struct RolloutTarget {
  rollout::Plan plan;
  uint32_t number = 0;                        // in the directory
  const rollout::StateCell* state = nullptr;  // in shared memory
  Endpoint legacy;
  Endpoint native;
};

// What a name like "rollout.content" stands for. Exactly one of the two is set.
struct Target {
  const Endpoint* endpoint = nullptr;
  const RolloutTarget* rollout = nullptr;
};

// Who knows all targets: the generation.
class TargetBook {
 public:
  // By "upstream.node", "handler.x" or "rollout.y"; null for unknown names. Valid as long as the generation.
  virtual const Target* find_target(std::string_view name) const = 0;

 protected:
  ~TargetBook() = default;
};

class Route {
 public:
  // `number` is the route's in the directory. Errors name the key that is wrong: config's checks are the
  // first line, RE2 (which has no look-around and no back references) the second.
  static Result<std::unique_ptr<Route>> make(const config::Route& rules, uint32_t number,
                                             const TargetBook& targets);

  const config::Route& rules() const { return rules_; }
  uint32_t number() const { return number_; }
  const std::string& name() const { return rules_.name; }
  // Null with redirect and reply.
  const Target* target() const { return target_; }
  const Conditions& conditions() const { return conditions_; }
  const Rewriter& rewriter() const { return rewriter_; }

 private:
  Route(const config::Route& rules, uint32_t number) : rules_(rules), number_(number) {}

  config::Route rules_;
  uint32_t number_;
  const Target* target_ = nullptr;
  Conditions conditions_;
  Rewriter rewriter_;
};

}  // namespace banyan::route
