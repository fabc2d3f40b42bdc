// How the phases of a rollout follow each other: one table, which the schedule keeps to and the tests walk.
#pragma once

#include <span>
#include <string_view>

#include "rollout/state.h"

namespace banyan::rollout {

// Why a rollout changes. The first seven are orders, the names of verbs; the others come by themselves.
enum class Cause : uint8_t {
  set,
  step,
  pause,
  resume,
  abort,
  promote,
  reset,
  begin,      // a schedule without any state takes up its work
  due,        // a step's hold time is over, but the next one cannot be taken yet
  advance,    // the next step
  finish,     // the soak is over
  rollback,   // the gate failed: to 0
  step_back,  // the gate failed: to the step before
  halt,       // the gate failed: paused
  arrive,     // a gradual rollback has come to its end
  withdraw,   // the configuration has no steps any more
};
inline constexpr size_t kCauses = 16;
std::string_view cause_name(Cause cause);  // "set"
constexpr bool is_order(Cause cause) { return cause <= Cause::reset; }

struct Transition {
  Phase from;
  Cause cause;
  Phase to;
};

// All there are.
std::span<const Transition> transitions();
bool is_allowed(Phase from, Cause cause, Phase to);

}  // namespace banyan::rollout
