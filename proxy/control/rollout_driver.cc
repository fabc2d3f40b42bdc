#include "control/rollout_driver.h"

#include "rollout/schedule.h"

namespace banyan::control {
namespace {

// Several transitions may be due at once: a schedule begins, and its first step is taken.
constexpr int kMostTurns = 4;

}  // namespace

void RolloutDriver::tick() {
  for (const std::string& name : book_.names()) tick(name);
}

void RolloutDriver::tick(const std::string& name) {
  for (int turns = 0; turns < kMostTurns; ++turns) {
    if (book_.owes(name) && !book_.pay(name)) return;
    const config::Rollout& rollout = *book_.configured(name);
    const rollout::Progress progress = book_.progress(name);
    const rollout::Judgement judgement = gates_.judge(rollout, progress.moved);
    book_.note(name, judgement);
    const bool judged = rollout::is_judged(rollout, progress);
    const rollout::Verdict unjudged = rollout.gate ? rollout::Verdict::hold : rollout::Verdict::pass;
    const rollout::Turn turn =
        rollout::tick(rollout, progress, clock_.wall(), judged ? judgement.verdict : unjudged);
    if (turn.progress == progress) return;
    book_.keep(name, turn, judged ? &judgement : nullptr);
    if (!turn.cause) return;
  }
}

}  // namespace banyan::control
