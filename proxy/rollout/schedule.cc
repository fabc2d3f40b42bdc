#include "rollout/schedule.h"

#include <algorithm>
#include <array>

#include "base/check.h"
#include "rollout/freeze.h"

namespace banyan::rollout {
namespace {

using config::Rollout;
using std::chrono::duration_cast;

uint32_t steps_at_or_below(const Rollout& rollout, uint32_t percent) {
  const auto above = std::find_if(rollout.steps.begin(), rollout.steps.end(),
                                  [&](const config::RolloutStep& step) { return step.percent > percent; });
  return static_cast<uint32_t>(above - rollout.steps.begin());
}

const config::RolloutStep* next_step(const Rollout& rollout, const Progress& progress) {
  return progress.taken < rollout.steps.size() ? &rollout.steps[progress.taken] : nullptr;
}

// The phase that follows when `taken` steps are taken and the last of them just begins.
Phase phase_after(const Rollout& rollout, uint32_t taken) {
  if (taken == 0) return Phase::waiting;
  if (taken < rollout.steps.size()) return Phase::holding;
  return soak_of(rollout) > Millis(0) ? Phase::soaking : Phase::done;
}

// What belongs to a schedule that moves by itself.
bool runs(Phase phase) {
  return phase == Phase::waiting || phase == Phase::holding || phase == Phase::advancing ||
         phase == Phase::soaking;
}

// The one place where a phase becomes another.
void move_to(Progress& progress, Cause cause, Phase phase, WallTime now) {
  CHECK(is_allowed(progress.phase, cause, phase));
  progress.phase = phase;
  progress.since = now;
}

void set_percent(Progress& progress, uint32_t percent, WallTime now) {
  progress.percent = progress.target = percent;
  progress.moved = now;
}

Millis held(const Progress& progress, WallTime now) {
  return std::max(Millis(0), duration_cast<Millis>(now - progress.hold_since));
}

Millis hold_time(const Rollout& rollout, const Progress& progress) {
  if (progress.taken == 0) return Millis(0);
  return progress.taken < rollout.steps.size() ? rollout.steps[progress.taken - 1].hold : soak_of(rollout);
}

bool hold_is_over(const Rollout& rollout, const Progress& progress, WallTime now) {
  return held(progress, now) >= hold_time(rollout, progress);
}

// REQUIRES: there is a next step.
void take_step(const Rollout& rollout, Progress& progress, Cause cause, WallTime now) {
  const bool stays_paused = progress.phase == Phase::paused;
  set_percent(progress, rollout.steps[progress.taken].percent, now);
  ++progress.taken;
  progress.hold_since = now;
  progress.held = Millis(0);
  move_to(progress, cause, stays_paused ? Phase::paused : phase_after(rollout, progress.taken), now);
}

// ---------------------------------------------------------------- by themselves

// A moment that is still to come was noted by a clock that has since gone back: it counts from now on.
// Differences below a second are no jump.
bool anchor(Progress& progress, WallTime now) {
  bool jumped = false;
  for (WallTime* moment : {&progress.since, &progress.hold_since, &progress.moved}) {
    if (*moment <= now + std::chrono::seconds(1)) continue;
    *moment = now;
    jumped = true;
  }
  return jumped;
}

// One way down, at the configured rate.
Turn fall(const Rollout& rollout, Turn turn, WallTime now) {
  Progress& progress = turn.progress;
  if (!rollout.rollback_rate) {
    set_percent(progress, progress.target, now);
  } else {
    const int64_t points = int64_t{rollout.rollback_rate->count} * 100;
    const int64_t period = rollout.rollback_rate->period.count();
    const int64_t left = progress.percent - progress.target;
    // No more than what is left is ever asked for, so that long pauses do not overflow.
    const int64_t time =
        std::min(duration_cast<Millis>(now - progress.moved).count(), left * period / points + period);
    const int64_t drop = std::min(left, points * std::max<int64_t>(time, 0) / period);
    if (drop == 0) return turn;
    progress.percent -= static_cast<uint32_t>(drop);
    // What the last hundredth took is not lost.
    progress.moved += Millis(drop * period / points);
    if (progress.percent == progress.target) progress.moved = now;
  }
  if (progress.percent > progress.target) return turn;
  progress.hold_since = now;
  turn.cause = Cause::arrive;
  move_to(progress, Cause::arrive, progress.phase, now);
  return turn;
}

void begin_fall(const Rollout& rollout, Progress& progress, uint32_t target, WallTime now) {
  progress.target = target;
  progress.moved = now;
  if (!rollout.rollback_rate) progress.percent = target;
  progress.taken = steps_at_or_below(rollout, target);
  progress.hold_since = now;
  progress.held = Millis(0);
}

Turn roll_back(const Rollout& rollout, Turn turn, WallTime now) {
  begin_fall(rollout, turn.progress, 0, now);
  turn.progress.taken = 0;
  turn.cause = Cause::rollback;
  move_to(turn.progress, Cause::rollback, Phase::rolled_back, now);
  return turn;
}

Turn step_back(const Rollout& rollout, Turn turn, WallTime now) {
  Progress& progress = turn.progress;
  const uint32_t below = steps_at_or_below(rollout, progress.percent - 1);
  if (below == 0) return roll_back(rollout, turn, now);
  begin_fall(rollout, progress, rollout.steps[below - 1].percent, now);
  const bool by_hand = progress.phase == Phase::paused || progress.phase == Phase::set;
  turn.cause = Cause::step_back;
  move_to(progress, Cause::step_back, by_hand ? Phase::paused : Phase::holding, now);
  return turn;
}

Turn halt(Turn turn, WallTime now) {
  if (!runs(turn.progress.phase)) return turn;
  turn.progress.held = held(turn.progress, now);
  turn.cause = Cause::halt;
  move_to(turn.progress, Cause::halt, Phase::paused, now);
  return turn;
}

Turn fail(const Rollout& rollout, Turn turn, WallTime now) {
  switch (rollout.on_fail) {
    case Rollout::OnFail::rollback:
      return roll_back(rollout, turn, now);
    case Rollout::OnFail::step_back:
      return step_back(rollout, turn, now);
    case Rollout::OnFail::pause:
      return halt(turn, now);
  }
  return turn;
}

Turn become(Turn turn, Cause cause, Phase phase, WallTime now) {
  if (turn.progress.phase == phase) return turn;
  turn.cause = cause;
  move_to(turn.progress, cause, phase, now);
  return turn;
}

// The next step, if it may be taken now. The first one is not judged: there was nothing to judge.
Turn go_on(const Rollout& rollout, Turn turn, WallTime now, Verdict verdict) {
  Progress& progress = turn.progress;
  const config::RolloutStep* step = next_step(rollout, progress);
  if (!step) {  // the configuration has fewer than before
    progress.hold_since = now;
    return become(turn, Cause::advance, phase_after(rollout, progress.taken), now);
  }
  if (step->approve) return become(turn, Cause::due, Phase::waiting, now);
  const bool good = progress.taken == 0 || verdict == Verdict::pass;
  if (!good || is_frozen(rollout.freeze, now)) return become(turn, Cause::due, Phase::advancing, now);
  take_step(rollout, progress, Cause::advance, now);
  turn.cause = Cause::advance;
  return turn;
}

Turn withdraw(Turn turn, WallTime now) {
  Progress& progress = turn.progress;
  if (!runs(progress.phase) && progress.phase != Phase::paused) return turn;
  progress.target = progress.percent;
  progress.taken = 0;
  return become(turn, Cause::withdraw, Phase::set, now);
}

}  // namespace

Millis soak_of(const Rollout& rollout) {
  return rollout.steps.empty() ? Millis(0) : std::max(rollout.soak, rollout.steps.back().hold);
}

Progress fresh_progress(const Rollout& rollout, WallTime now) {
  Progress progress;
  set_percent(progress, rollout.percent, now);
  progress.since = progress.hold_since = now;
  return progress;
}

Progress reconcile(const Rollout& rollout, Progress progress) {
  if (progress.phase == Phase::file) progress.percent = progress.target = rollout.percent;
  progress.taken = progress.phase == Phase::rolled_back ? 0 : steps_at_or_below(rollout, progress.target);
  return progress;
}

bool is_judged(const Rollout& rollout, const Progress& progress) {
  if (!rollout.gate || progress.percent == 0 || progress.percent > progress.target) return false;
  return runs(progress.phase) || progress.phase == Phase::paused || progress.phase == Phase::set ||
         progress.phase == Phase::file;
}

Turn tick(const Rollout& rollout, const Progress& before, WallTime now, Verdict verdict) {
  Turn turn{before, std::nullopt};
  Progress& progress = turn.progress;
  anchor(progress, now);
  if (progress.percent > progress.target) return fall(rollout, turn, now);
  if (verdict == Verdict::fail && is_judged(rollout, progress)) return fail(rollout, turn, now);
  if (rollout.steps.empty()) return withdraw(turn, now);
  switch (progress.phase) {
    case Phase::file:
      progress.hold_since = now;
      return become(turn, Cause::begin, Phase::waiting, now);
    case Phase::waiting:
      // Before the first step nothing but the start is waited for, else somebody's approval.
      if (progress.taken == 0 && rollout.start && now < *rollout.start) return turn;
      return go_on(rollout, turn, now, verdict);
    case Phase::holding:
      if (!hold_is_over(rollout, progress, now)) return turn;
      return go_on(rollout, turn, now, verdict);
    case Phase::advancing:
      return go_on(rollout, turn, now, verdict);
    case Phase::soaking:
      if (!hold_is_over(rollout, progress, now)) return turn;
      if (next_step(rollout, progress))
        return go_on(rollout, turn, now, verdict);  // there are more than before
      return become(turn, Cause::finish, Phase::done, now);
    default:
      return turn;
  }
}

// ---------------------------------------------------------------- what comes next

Outlook outlook(const Rollout& rollout, const Progress& progress, WallTime now) {
  using Waits = Outlook::Waits;
  Outlook outlook;
  if (rollout.steps.empty()) return outlook;
  const config::RolloutStep* step = next_step(rollout, progress);
  if (step) outlook.percent = step->percent;
  const auto wait = [&](Waits waits, std::optional<WallTime> at = {}) {
    outlook.waits = waits;
    outlook.at = at;
    return outlook;
  };
  const WallTime end_of_hold = progress.hold_since + hold_time(rollout, progress);
  switch (progress.phase) {
    case Phase::waiting:
    case Phase::file:
      if (step && step->approve) return wait(Waits::approval);
      if (rollout.start && now < *rollout.start) {
        return wait(Waits::start, end_of_freeze(rollout.freeze, *rollout.start));
      }
      return wait(Waits::start, end_of_freeze(rollout.freeze, now));
    case Phase::holding:
      return wait(Waits::hold, end_of_freeze(rollout.freeze, std::max(end_of_hold, now)));
    case Phase::advancing:
      if (is_frozen(rollout.freeze, now)) return wait(Waits::freeze, end_of_freeze(rollout.freeze, now));
      return wait(Waits::gate);
    case Phase::soaking:
      return wait(Waits::soak, end_of_hold);
    case Phase::done:
      return outlook;
    default:
      return wait(Waits::order);
  }
}

std::string_view waits_name(Outlook::Waits waits) {
  static constexpr std::array<std::string_view, 8> kNames = {"nothing", "start",    "hold",  "gate",
                                                             "freeze",  "approval", "order", "soak"};
  return kNames[static_cast<size_t>(waits)];
}

}  // namespace banyan::rollout
