// What a rollout does by itself, and what orders make of it: a pure state machine over wall time and
// verdicts.
//
//            start, no freeze          hold over, pass, no freeze
//   waiting ────────────────▶ holding ───────────────────────────▶ holding … ─▶ soaking ─▶ done
//      ▲                       │   ▲ │ hold over, but no pass or a freeze          (last step)
//      │ next step: approve    │   │ ▼
//      └───────────────────────┘ advancing        fail, from any of these: rolled_back, step back, or paused
//
// Time is wall time, so that weeks go on over reboots. A clock that jumps back makes a step longer, never
// shorter; one that jumps forward ends one hold time, not several. The caller keeps the Progress (durably)
// and asks at least once a second.
#pragma once

#include <optional>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "config/schema.h"
#include "rollout/state.h"
#include "rollout/transitions.h"
#include "rollout/verdict.h"

namespace banyan::rollout {

// What is remembered of a rollout: all zero before anything happened.
struct Progress {
  Phase phase = Phase::file;
  uint32_t percent = 0;   // that counts, hundredths; in Phase::file the configuration's
  uint32_t target = 0;    // less than percent while a gradual rollback is under way, else the same
  uint32_t taken = 0;     // steps at or below percent
  WallTime since{};       // of the phase
  WallTime hold_since{};  // hold time counts from here
  Millis held{};          // Phase::paused: hold time used up before
  WallTime moved{};       // the last change of percent
  bool operator==(const Progress&) const = default;
};

// The Progress of a rollout without any.
Progress fresh_progress(const config::Rollout& rollout, WallTime now);

// The same under a configuration that may have other steps: which were taken follows from the percentage,
// which never changes here.
Progress reconcile(const config::Rollout& rollout, Progress progress);

struct Turn {
  Progress progress;
  std::optional<Cause> cause;  // none: nothing that anybody would want to hear of
};

// What time and verdict make of it: at most one transition. `verdict` is about the time since
// progress.moved; Verdict::pass without a gate. A progress that differs from the one given has to be kept,
// with or without a cause.
Turn tick(const config::Rollout& rollout, const Progress& progress, WallTime now, Verdict verdict);

// True if a verdict can make a difference now.
bool is_judged(const config::Rollout& rollout, const Progress& progress);

// An order. `verb` is one of the first seven causes.
struct Command {
  Cause verb = Cause::set;
  uint32_t percent = 0;  // for Cause::set
  bool force = false;    // also in a freeze
};

// Errors: 409 for what the schedule or a freeze does not allow, with the reason. Lowering is never refused,
// and takes effect at once.
Result<Progress> carry_out(const config::Rollout& rollout, const Progress& progress, const Command& command,
                           WallTime now);

// What comes next, for people.
struct Outlook {
  enum class Waits { nothing, start, hold, gate, freeze, approval, order, soak };
  Waits waits = Waits::nothing;
  std::optional<uint32_t> percent;  // of the next step
  std::optional<WallTime> at;       // not before; none: nobody knows
};
Outlook outlook(const config::Rollout& rollout, const Progress& progress, WallTime now);
std::string_view waits_name(Outlook::Waits waits);  // "approval"

// The end of the schedule's last step: its hold, or soak.
Millis soak_of(const config::Rollout& rollout);

}  // namespace banyan::rollout
