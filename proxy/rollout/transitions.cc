#include "rollout/transitions.h"

#include <algorithm>
#include <array>

namespace banyan::rollout {
namespace {

// In the order of the enumeration.
constexpr std::array<std::string_view, kCauses> kNames = {
    "set", "step",    "pause",  "resume",   "abort",     "promote", "reset",  "begin",
    "due", "advance", "finish", "rollback", "step_back", "pause",   "arrive", "withdraw"};

constexpr Transition kTransitions[] = {
    // by themselves
    {Phase::file, Cause::begin, Phase::waiting},
    {Phase::waiting, Cause::due, Phase::advancing},
    {Phase::waiting, Cause::advance, Phase::holding},
    {Phase::waiting, Cause::advance, Phase::soaking},
    {Phase::waiting, Cause::advance, Phase::done},
    {Phase::holding, Cause::due, Phase::waiting},
    {Phase::holding, Cause::due, Phase::advancing},
    {Phase::holding, Cause::advance, Phase::holding},
    {Phase::holding, Cause::advance, Phase::soaking},
    {Phase::holding, Cause::advance, Phase::done},
    {Phase::advancing, Cause::due, Phase::waiting},
    {Phase::advancing, Cause::advance, Phase::holding},
    {Phase::advancing, Cause::advance, Phase::soaking},
    {Phase::advancing, Cause::advance, Phase::done},
    {Phase::soaking, Cause::finish, Phase::done},
    {Phase::soaking, Cause::due, Phase::waiting},
    {Phase::soaking, Cause::due, Phase::advancing},
    {Phase::soaking, Cause::advance, Phase::holding},
    {Phase::soaking, Cause::advance, Phase::soaking},
    {Phase::soaking, Cause::advance, Phase::done},
    {Phase::rolled_back, Cause::arrive, Phase::rolled_back},
    {Phase::holding, Cause::arrive, Phase::holding},
    {Phase::paused, Cause::arrive, Phase::paused},
    // a failed gate
    {Phase::file, Cause::rollback, Phase::rolled_back},
    {Phase::set, Cause::rollback, Phase::rolled_back},
    {Phase::waiting, Cause::rollback, Phase::rolled_back},
    {Phase::holding, Cause::rollback, Phase::rolled_back},
    {Phase::advancing, Cause::rollback, Phase::rolled_back},
    {Phase::paused, Cause::rollback, Phase::rolled_back},
    {Phase::soaking, Cause::rollback, Phase::rolled_back},
    {Phase::set, Cause::step_back, Phase::paused},
    {Phase::waiting, Cause::step_back, Phase::holding},
    {Phase::holding, Cause::step_back, Phase::holding},
    {Phase::advancing, Cause::step_back, Phase::holding},
    {Phase::paused, Cause::step_back, Phase::paused},
    {Phase::soaking, Cause::step_back, Phase::holding},
    {Phase::waiting, Cause::halt, Phase::paused},
    {Phase::holding, Cause::halt, Phase::paused},
    {Phase::advancing, Cause::halt, Phase::paused},
    {Phase::soaking, Cause::halt, Phase::paused},
    // a configuration without steps
    {Phase::waiting, Cause::withdraw, Phase::set},
    {Phase::holding, Cause::withdraw, Phase::set},
    {Phase::advancing, Cause::withdraw, Phase::set},
    {Phase::paused, Cause::withdraw, Phase::set},
    {Phase::soaking, Cause::withdraw, Phase::set},
    // orders that need a schedule; set, abort, promote and reset are allowed everywhere
    {Phase::waiting, Cause::pause, Phase::paused},
    {Phase::holding, Cause::pause, Phase::paused},
    {Phase::advancing, Cause::pause, Phase::paused},
    {Phase::soaking, Cause::pause, Phase::paused},
    {Phase::set, Cause::resume, Phase::waiting},
    {Phase::set, Cause::resume, Phase::holding},
    {Phase::aborted, Cause::resume, Phase::waiting},
    {Phase::damaged, Cause::resume, Phase::waiting},
    {Phase::rolled_back, Cause::resume, Phase::waiting},
    {Phase::rolled_back, Cause::resume, Phase::holding},
    {Phase::done, Cause::resume, Phase::holding},
    {Phase::paused, Cause::resume, Phase::waiting},
    {Phase::paused, Cause::resume, Phase::holding},
    {Phase::paused, Cause::resume, Phase::soaking},
    {Phase::paused, Cause::resume, Phase::done},
    {Phase::waiting, Cause::step, Phase::holding},
    {Phase::waiting, Cause::step, Phase::soaking},
    {Phase::waiting, Cause::step, Phase::done},
    {Phase::holding, Cause::step, Phase::holding},
    {Phase::holding, Cause::step, Phase::soaking},
    {Phase::holding, Cause::step, Phase::done},
    {Phase::advancing, Cause::step, Phase::holding},
    {Phase::advancing, Cause::step, Phase::soaking},
    {Phase::advancing, Cause::step, Phase::done},
    {Phase::paused, Cause::step, Phase::paused},
};

}  // namespace

std::string_view cause_name(Cause cause) { return kNames[static_cast<size_t>(cause)]; }

std::span<const Transition> transitions() { return kTransitions; }

bool is_allowed(Phase from, Cause cause, Phase to) {
  switch (cause) {
    case Cause::set:
      return to == Phase::set || to == Phase::paused;
    case Cause::abort:
      return to == Phase::aborted;
    case Cause::promote:
      return to == Phase::promoted;
    case Cause::reset:
      return to == Phase::file;
    default:
      return std::any_of(std::begin(kTransitions), std::end(kTransitions), [&](const Transition& row) {
        return row.from == from && row.cause == cause && row.to == to;
      });
  }
}

}  // namespace banyan::rollout
