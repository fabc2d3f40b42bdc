#include "route/decide.h"

#include <cmath>

#include "rollout/request_keys.h"
#include "route/script_view.h"

namespace banyan::route {
namespace {

std::optional<shm::Side> forced_side(const RolloutTarget& target, const Request& request) {
  const rollout::Plan& plan = target.plan;
  if (plan.force_header.empty()) return std::nullopt;
  const http::Field* field = request.head.fields.find(plan.force_header);
  if (!field || !rollout::may_force(plan, request.peer)) return std::nullopt;
  return rollout::parse_side(field->value);
}

void roll(const RolloutTarget& target, const Request& request, Decision& decision) {
  rollout::RequestKeys keys(request.head, request.client.ip);
  rollout::Facts facts;
  facts.key = rollout::find_sticky_key(target.plan.sticky, keys);
  facts.forced = forced_side(target, request);
  facts.native_available = target.native.handler->available();
  facts.random = request.random;
  if (const lua::Outcome* outcome = decision.outcome()) {
    if (outcome->side) {
      facts.lua_side = *outcome->side == lua::Side::native ? shm::Side::native : shm::Side::legacy;
    }
    if (outcome->percent) facts.lua_percent = static_cast<uint32_t>(std::lround(*outcome->percent * 100));
    if (outcome->key) facts.lua_key = *outcome->key;
  }
  decision.rollout = &target;
  decision.rolled = rollout::decide(target.plan, target.state->read(), facts);
  decision.side = decision.rolled.side;
  decision.reason = decision.rolled.reason;
  decision.endpoint = decision.side == shm::Side::native ? &target.native : &target.legacy;
}

}  // namespace

Decision decide(const Router& router, const TargetBook& targets, lua::Script* script,
                const Request& request) {
  Decision decision;
  Found found = router.find(request.head);
  decision.route = found.route;
  decision.other_method = found.other_method;
  if (!found.route) return decision;

  const Target* target = found.route->target();
  if (script) {
    ScriptView view(request.head, request.client, found.route->name());
    decision.script = std::make_unique<lua::CallResult>(script->route(view));
    const lua::Outcome& outcome = decision.script->outcome;
    if (!outcome.none()) decision.reason = shm::Reason::lua;
    if (outcome.status) return decision;
    if (outcome.target) {
      if (const Target* chosen = targets.find_target(*outcome.target)) target = chosen;
    }
  }
  if (!target) return decision;
  if (target->rollout) {
    roll(*target->rollout, request, decision);
  } else {
    decision.endpoint = target->endpoint;
    if (!decision.outcome() || !decision.outcome()->target) decision.reason = shm::Reason::fixed;
  }
  return decision;
}

}  // namespace banyan::route
