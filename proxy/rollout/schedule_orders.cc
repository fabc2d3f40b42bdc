// What orders make of a rollout: the part of schedule.h that people ask for.

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"
#include "config/date_time.h"
#include "config/units.h"
#include "rollout/freeze.h"
#include "rollout/schedule.h"

namespace banyan::rollout {
namespace {

using config::Rollout;

Error refused(std::string message) { return client_error(409, std::move(message)); }

uint32_t steps_at_or_below(const Rollout& rollout, uint32_t percent) {
  return static_cast<uint32_t>(
      std::count_if(rollout.steps.begin(), rollout.steps.end(),
                    [&](const config::RolloutStep& step) { return step.percent <= percent; }));
}

Progress settle(const Rollout& rollout, const Progress& before, Phase phase, uint32_t percent, WallTime now) {
  Progress progress = fresh_progress(rollout, now);
  progress.phase = phase;
  if (percent == before.percent) progress.moved = before.moved;
  progress.percent = progress.target = percent;
  progress.taken = steps_at_or_below(rollout, percent);
  return progress;
}

Result<Progress> pause(const Progress& before, WallTime now) {
  if (before.phase == Phase::paused) return refused("it is paused already");
  if (!is_allowed(before.phase, Cause::pause, Phase::paused)) {
    return refused(fmt::format("no schedule is running: its state is {}", phase_name(before.phase)));
  }
  Progress progress = before;
  progress.held = std::max(Millis(0), std::chrono::duration_cast<Millis>(now - before.hold_since));
  progress.phase = Phase::paused;
  progress.since = now;
  return progress;
}

Result<Progress> resume(const Rollout& rollout, const Progress& before, WallTime now) {
  if (rollout.steps.empty()) return refused("it has no steps: there is no schedule to resume");
  // A gradual rollback stops where it is.
  Progress progress = settle(rollout, before, before.phase, before.percent, now);
  Phase phase = Phase::holding;
  if (progress.taken == 0) phase = Phase::waiting;
  if (progress.taken == rollout.steps.size()) {
    phase = soak_of(rollout) > Millis(0) ? Phase::soaking : Phase::done;
  }
  if (!is_allowed(before.phase, Cause::resume, phase)) {
    return refused(fmt::format("its state is {}: there is nothing to resume", phase_name(before.phase)));
  }
  progress.phase = phase;
  if (before.phase == Phase::paused) progress.hold_since = now - before.held;
  return progress;
}

Result<Progress> step(const Rollout& rollout, const Progress& before, WallTime now) {
  if (rollout.steps.empty()) return refused("it has no steps");
  if (before.taken >= rollout.steps.size()) return refused("the last step was taken already");
  if (before.percent > before.target) return refused("a rollback is under way");
  const Phase phase = before.phase == Phase::file ? Phase::waiting : before.phase;
  const uint32_t percent = rollout.steps[before.taken].percent;
  Progress progress = settle(rollout, before, Phase::holding, percent, now);
  if (phase == Phase::paused) progress.phase = Phase::paused;
  if (phase != Phase::paused && progress.taken == rollout.steps.size()) {
    progress.phase = soak_of(rollout) > Millis(0) ? Phase::soaking : Phase::done;
  }
  if (!is_allowed(phase, Cause::step, progress.phase)) {
    return refused(fmt::format("its state is {}: resume the schedule first", phase_name(before.phase)));
  }
  return progress;
}

Result<Progress> apply(const Rollout& rollout, const Progress& before, const Command& command, WallTime now) {
  const Phase by_hand = rollout.steps.empty() ? Phase::set : Phase::paused;
  switch (command.verb) {
    case Cause::set:
      return settle(rollout, before, by_hand, command.percent, now);
    case Cause::abort:
      return settle(rollout, before, Phase::aborted, 0, now);
    case Cause::promote:
      return settle(rollout, before, Phase::promoted, 10000, now);
    case Cause::reset:
      return settle(rollout, before, Phase::file, rollout.percent, now);
    case Cause::step:
      return step(rollout, before, now);
    case Cause::pause:
      return pause(before, now);
    case Cause::resume:
      return resume(rollout, before, now);
    default:
      break;
  }
  CHECK(is_order(command.verb));
  return before;
}

std::string frozen_text(const Rollout& rollout, uint32_t percent, WallTime now) {
  const std::optional<WallTime> end = end_of_freeze(rollout.freeze, now);
  return fmt::format("this is a freeze{}: raising to {}% needs --force",
                     end ? " until " + config::format_date_time(*end) : "", config::format_percent(percent));
}

}  // namespace

Result<Progress> carry_out(const Rollout& rollout, const Progress& progress, const Command& command,
                           WallTime now) {
  Result<Progress> next = apply(rollout, progress, command, now);
  if (!next) return next;
  CHECK(is_allowed(
      progress.phase == Phase::file && command.verb == Cause::step ? Phase::waiting : progress.phase,
      command.verb, next->phase));
  if (next->percent > progress.percent && !command.force && is_frozen(rollout.freeze, now)) {
    return refused(frozen_text(rollout, next->percent, now));
  }
  return next;
}

}  // namespace banyan::rollout
