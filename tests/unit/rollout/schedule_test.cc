// The schedule by a clock that the tests move: walks, properties under random orders, restarts, reloads and
// clock jumps, and the table of transitions.

#include "rollout/schedule.h"

#include <gtest/gtest.h>

#include <random>
#include <set>
#include <tuple>

#include "config/date_time.h"
#include "rollout/freeze.h"

namespace banyan::rollout {
namespace {

using namespace std::chrono_literals;  // NOLINT
using config::Rollout;

WallTime at(std::string_view text) { return config::parse_date_time(text).value(); }

Rollout three_steps() {
  Rollout rollout;
  rollout.name = "content";
  rollout.steps = {{1000, 24h * 7}, {5000, 24h * 7}, {10000}};
  rollout.soak = 24h * 7;
  rollout.gate.emplace();
  return rollout;
}

// One rollout under a clock, asked as the controller does.
class Course {
 public:
  explicit Course(Rollout rollout, WallTime now = at("2026-03-02T00:00:00Z"))
      : rollout_(std::move(rollout)), now_(now), progress_(fresh_progress(rollout_, now)) {}

  // Asks until nothing happens any more, noting causes and phases.
  void settle() {
    for (int i = 0; i < 10; ++i) {
      const Turn turn = tick(rollout_, progress_, now_, verdict);
      if (turn.cause) {
        EXPECT_TRUE(is_allowed(progress_.phase, *turn.cause, turn.progress.phase));
        log.push_back(std::string(cause_name(*turn.cause)) + ">" +
                      std::string(phase_name(turn.progress.phase)));
      }
      progress_ = turn.progress;
      if (!turn.cause) return;
    }
    FAIL() << "it does not come to rest";
  }
  void pass_time(Millis time, Millis every = 1h) {
    for (const WallTime end = now_ + time; now_ < end;) {
      now_ += std::min<Millis>(every, std::chrono::duration_cast<Millis>(end - now_));
      settle();
    }
  }
  std::string order(Cause verb, uint32_t percent = 0, bool force = false) {
    Result<Progress> next = carry_out(rollout_, progress_, {verb, percent, force}, now_);
    if (!next) return next.error().message;
    progress_ = *next;
    settle();
    return std::string(phase_name(progress_.phase));
  }
  void reload(Rollout rollout) {
    rollout_ = std::move(rollout);
    progress_ = reconcile(rollout_, progress_);
    settle();
  }

  Phase phase() const { return progress_.phase; }
  uint32_t percent() const { return progress_.percent; }
  const Progress& progress() const { return progress_; }
  WallTime now() const { return now_; }
  void set_clock(WallTime now) { now_ = now; }
  Outlook outlook() const { return rollout::outlook(rollout_, progress_, now_); }

  Verdict verdict = Verdict::pass;
  std::vector<std::string> log;

 private:
  Rollout rollout_;
  WallTime now_;
  Progress progress_;
};

TEST(Schedule, ThreeWeeksAndASoak) {
  Course run(three_steps());
  run.settle();
  EXPECT_EQ(run.percent(), 1000u);
  EXPECT_EQ(run.phase(), Phase::holding);
  EXPECT_EQ(run.outlook().waits, Outlook::Waits::hold);
  EXPECT_EQ(run.outlook().percent, 5000u);
  EXPECT_EQ(run.outlook().at, at("2026-03-09T00:00:00Z"));
  run.pass_time(24h * 7 - 1s, 1s);
  EXPECT_EQ(run.percent(), 1000u);
  run.pass_time(1s);
  EXPECT_EQ(run.percent(), 5000u);
  run.pass_time(24h * 7);
  EXPECT_EQ(run.percent(), 10000u);
  EXPECT_EQ(run.phase(), Phase::soaking);
  EXPECT_EQ(run.outlook().at, at("2026-03-23T00:00:00Z"));
  run.pass_time(24h * 7 - 1s);
  EXPECT_EQ(run.phase(), Phase::soaking);
  run.pass_time(1s);
  EXPECT_EQ(run.phase(), Phase::done);
  EXPECT_EQ(run.percent(), 10000u);
  const std::vector<std::string> expected = {"begin>waiting", "advance>holding", "advance>holding",
                                             "advance>soaking", "finish>done"};
  EXPECT_EQ(run.log, expected);
}

TEST(Schedule, WaitsForItsStart) {
  Rollout rollout = three_steps();
  rollout.percent = 100;
  rollout.start = at("2026-03-05T06:00:00Z");
  Course run(rollout);
  run.settle();
  EXPECT_EQ(run.phase(), Phase::waiting);
  EXPECT_EQ(run.percent(), 100u);
  EXPECT_EQ(run.outlook().waits, Outlook::Waits::start);
  EXPECT_EQ(run.outlook().at, rollout.start);
  run.pass_time(24h * 3 + 6h - 1s);
  EXPECT_EQ(run.phase(), Phase::waiting);
  run.pass_time(1s);
  EXPECT_EQ(run.percent(), 1000u);
}

TEST(Schedule, TakesAStepOnlyWhenTheGatePasses) {
  Course run(three_steps());
  run.verdict = Verdict::hold;
  run.settle();
  EXPECT_EQ(run.percent(), 1000u) << "nothing to judge before the first step";
  run.pass_time(24h * 20);
  EXPECT_EQ(run.percent(), 1000u);
  EXPECT_EQ(run.phase(), Phase::advancing);
  EXPECT_EQ(run.outlook().waits, Outlook::Waits::gate);
  run.verdict = Verdict::pass;
  run.settle();
  EXPECT_EQ(run.percent(), 5000u);
  run.pass_time(24h * 6);
  EXPECT_EQ(run.percent(), 5000u) << "the hold time counts from the step";
}

TEST(Schedule, NeverAdvancesInAFreeze) {
  Rollout rollout = three_steps();
  rollout.freeze = {{{config::Weekday::mon, config::Weekday::tue}, 0h, 24h, "UTC"}};
  Course run(rollout);  // on a Monday
  run.settle();
  EXPECT_EQ(run.percent(), 0u);
  EXPECT_EQ(run.phase(), Phase::advancing);
  EXPECT_EQ(run.outlook().waits, Outlook::Waits::freeze);
  EXPECT_EQ(run.outlook().at, at("2026-03-04T00:00:00Z"));
  EXPECT_EQ(run.order(Cause::step),
            "this is a freeze until 2026-03-04T00:00:00Z: raising to 10% needs --force");
  EXPECT_EQ(run.order(Cause::set, 1).substr(0, 16), "this is a freeze");
  EXPECT_EQ(run.order(Cause::promote).substr(0, 16), "this is a freeze");
  run.pass_time(24h * 2 - 1s);
  EXPECT_EQ(run.percent(), 0u);
  run.pass_time(1s);
  EXPECT_EQ(run.percent(), 1000u);
  run.pass_time(24h * 5 + 1h);  // Monday again
  EXPECT_EQ(run.order(Cause::set, 500), "paused") << "down is allowed";
  EXPECT_EQ(run.order(Cause::abort), "aborted");
  EXPECT_EQ(run.order(Cause::set, 700, true), "paused") << "and all is, with force";
}

TEST(Schedule, WaitsForApproval) {
  Rollout rollout = three_steps();
  rollout.steps[1].approve = true;
  Course run(rollout);
  run.pass_time(24h * 30);
  EXPECT_EQ(run.phase(), Phase::waiting);
  EXPECT_EQ(run.percent(), 1000u);
  EXPECT_EQ(run.outlook().waits, Outlook::Waits::approval);
  EXPECT_EQ(run.order(Cause::step), "holding");
  EXPECT_EQ(run.percent(), 5000u);
  run.pass_time(24h * 7);
  EXPECT_EQ(run.percent(), 10000u);
  EXPECT_EQ(run.order(Cause::step), "the last step was taken already");
}

TEST(Schedule, HoldTimeStandsStillWhilePaused) {
  Course run(three_steps());
  run.settle();
  run.pass_time(24h * 5);
  EXPECT_EQ(run.order(Cause::pause), "paused");
  EXPECT_EQ(run.order(Cause::pause), "it is paused already");
  EXPECT_EQ(run.outlook().waits, Outlook::Waits::order);
  run.pass_time(24h * 100);
  EXPECT_EQ(run.percent(), 1000u);
  EXPECT_EQ(run.order(Cause::resume), "holding");
  EXPECT_EQ(run.order(Cause::resume), "its state is holding: there is nothing to resume");
  run.pass_time(24h * 2 - 1s);
  EXPECT_EQ(run.percent(), 1000u);
  run.pass_time(1s);
  EXPECT_EQ(run.percent(), 5000u);
}

TEST(Schedule, StepsByHandGoOnWithTheSchedule) {
  Course run(three_steps());
  run.settle();
  EXPECT_EQ(run.order(Cause::step), "holding");
  EXPECT_EQ(run.percent(), 5000u);
  EXPECT_EQ(run.order(Cause::pause), "paused");
  EXPECT_EQ(run.order(Cause::step), "paused");
  EXPECT_EQ(run.percent(), 10000u);
  EXPECT_EQ(run.order(Cause::resume), "soaking");
}

TEST(Schedule, SetTakesOverAndResumeGoesOnFromThere) {
  Course run(three_steps());
  run.settle();
  EXPECT_EQ(run.order(Cause::set, 3000), "paused");
  EXPECT_EQ(run.percent(), 3000u);
  run.pass_time(24h * 30);
  EXPECT_EQ(run.percent(), 3000u);
  EXPECT_EQ(run.order(Cause::resume), "holding");
  run.pass_time(24h * 7 - 1s);
  EXPECT_EQ(run.percent(), 3000u);
  run.pass_time(1s);
  EXPECT_EQ(run.percent(), 5000u);
  EXPECT_EQ(run.order(Cause::set, 500), "paused");
  EXPECT_EQ(run.order(Cause::resume), "holding");
  EXPECT_EQ(run.percent(), 1000u) << "below the first step it is taken at once";
}

TEST(Schedule, AbortAndPromoteEndIt) {
  Course run(three_steps());
  run.settle();
  EXPECT_EQ(run.order(Cause::abort), "aborted");
  EXPECT_EQ(run.percent(), 0u);
  run.pass_time(24h * 30);
  EXPECT_EQ(run.percent(), 0u);
  EXPECT_EQ(run.order(Cause::step), "its state is aborted: resume the schedule first");
  EXPECT_EQ(run.order(Cause::pause), "no schedule is running: its state is aborted");
  EXPECT_EQ(run.order(Cause::resume), "holding");
  EXPECT_EQ(run.percent(), 1000u);
  EXPECT_EQ(run.order(Cause::promote), "promoted");
  EXPECT_EQ(run.percent(), 10000u);
  run.verdict = Verdict::fail;
  run.pass_time(24h);
  EXPECT_EQ(run.percent(), 10000u) << "nobody watches what was promoted";
  EXPECT_EQ(run.order(Cause::resume), "its state is promoted: there is nothing to resume");
  run.verdict = Verdict::pass;
  EXPECT_EQ(run.order(Cause::reset), "holding") << "the schedule begins anew";
  EXPECT_EQ(run.percent(), 1000u);
}

TEST(Schedule, AFailedGateRollsBack) {
  Course run(three_steps());
  run.pass_time(24h * 8);
  run.verdict = Verdict::fail;
  run.settle();
  EXPECT_EQ(run.phase(), Phase::rolled_back);
  EXPECT_EQ(run.percent(), 0u);
  run.verdict = Verdict::pass;
  run.pass_time(24h * 30);
  EXPECT_EQ(run.phase(), Phase::rolled_back) << "until somebody says otherwise";
  EXPECT_EQ(run.order(Cause::resume), "holding");
  EXPECT_EQ(run.percent(), 1000u);
}

TEST(Schedule, AFailedGateInTheSoakRollsBackToo) {
  Course run(three_steps());
  run.pass_time(24h * 15);
  EXPECT_EQ(run.phase(), Phase::soaking);
  run.verdict = Verdict::fail;
  run.settle();
  EXPECT_EQ(run.phase(), Phase::rolled_back);
}

TEST(Schedule, AFailedGateStepsBack) {
  Rollout rollout = three_steps();
  rollout.on_fail = Rollout::OnFail::step_back;
  Course run(rollout);
  run.pass_time(24h * 8);
  EXPECT_EQ(run.percent(), 5000u);
  run.verdict = Verdict::fail;
  EXPECT_EQ(tick(rollout, run.progress(), run.now(), Verdict::fail).progress.percent, 1000u);
  run.settle();
  EXPECT_EQ(run.phase(), Phase::rolled_back) << "which failed as well";
  EXPECT_EQ(run.percent(), 0u);
}

TEST(Schedule, AFailedGatePauses) {
  Rollout rollout = three_steps();
  rollout.on_fail = Rollout::OnFail::pause;
  Course run(rollout);
  run.pass_time(24h * 8);
  run.verdict = Verdict::fail;
  run.settle();
  EXPECT_EQ(run.phase(), Phase::paused);
  EXPECT_EQ(run.percent(), 5000u);
  run.pass_time(24h);
  EXPECT_EQ(run.percent(), 5000u);
  run.verdict = Verdict::pass;
  EXPECT_EQ(run.order(Cause::resume), "holding");
}

TEST(Schedule, AGateGuardsAValueSetByHand) {
  Rollout rollout;
  rollout.percent = 1000;
  rollout.gate.emplace();
  Course run(rollout);
  run.settle();
  EXPECT_EQ(run.phase(), Phase::file);
  EXPECT_EQ(run.order(Cause::set, 5000), "set");
  EXPECT_EQ(run.order(Cause::step), "it has no steps");
  EXPECT_EQ(run.order(Cause::resume), "it has no steps: there is no schedule to resume");
  run.verdict = Verdict::fail;
  run.settle();
  EXPECT_EQ(run.phase(), Phase::rolled_back);
  EXPECT_EQ(run.order(Cause::reset), "rolled_back") << "the configuration's percent fails as well";
  EXPECT_EQ(run.percent(), 0u);
}

TEST(Schedule, RollsBackAtARate) {
  Rollout rollout = three_steps();
  rollout.rollback_rate = config::Rate{10, 1min};
  Course run(rollout);
  run.pass_time(24h * 8);
  run.verdict = Verdict::fail;
  run.settle();
  EXPECT_EQ(run.phase(), Phase::rolled_back);
  EXPECT_EQ(run.percent(), 5000u);
  uint32_t before = run.percent();
  for (int second = 1; second <= 300; ++second) {
    run.pass_time(1s);
    EXPECT_LE(run.percent(), before);
    EXPECT_NEAR(run.percent(), 5000 - 5000.0 * second / 300, 1.0);
    before = run.percent();
  }
  EXPECT_EQ(run.percent(), 0u);
  EXPECT_EQ(run.log.back(), "arrive>rolled_back");
  EXPECT_EQ(run.order(Cause::resume), "rolled_back") << "the first step fails again";
  EXPECT_GT(run.percent(), 0u);
  EXPECT_EQ(run.order(Cause::abort), "aborted");
  EXPECT_EQ(run.percent(), 0u) << "at once";
}

TEST(Schedule, ALongSilenceEndsAFallAtOnce) {
  Rollout rollout = three_steps();
  rollout.rollback_rate = config::Rate{1'000'000'000, 1h};
  Course run(rollout);
  run.verdict = Verdict::fail;
  run.settle();
  run.set_clock(run.now() + 24h * 3650);
  run.settle();
  EXPECT_EQ(run.percent(), 0u);
}

TEST(Schedule, AReloadKeepsThePercentageAndFindsItsStep) {
  Course run(three_steps());
  run.pass_time(24h * 9);
  EXPECT_EQ(run.percent(), 5000u);
  Rollout more = three_steps();
  more.steps = {{2000, 24h}, {6000, 24h}, {10000}};
  run.reload(more);
  EXPECT_EQ(run.percent(), 6000u) << "the hold time of 24 hours is over";
  Rollout none = three_steps();
  none.steps.clear();
  run.reload(none);
  EXPECT_EQ(run.phase(), Phase::set);
  EXPECT_EQ(run.percent(), 6000u);
  run.reload(three_steps());
  run.pass_time(24h * 30);
  EXPECT_EQ(run.phase(), Phase::set) << "a schedule does not take over by itself";
  EXPECT_EQ(run.order(Cause::resume), "holding");
  EXPECT_EQ(run.percent(), 6000u);
}

TEST(Schedule, ADoneRolloutGoesOnWithFurtherStepsWhenAsked) {
  Rollout half = three_steps();
  half.steps = {{1000, 24h}, {5000}};
  half.soak = 0ms;
  Course run(half);
  run.pass_time(24h * 2);
  EXPECT_EQ(run.phase(), Phase::done);
  EXPECT_EQ(run.order(Cause::resume), "its state is done: there is nothing to resume");
  run.reload(three_steps());
  run.pass_time(24h * 30);
  EXPECT_EQ(run.phase(), Phase::done);
  EXPECT_EQ(run.order(Cause::resume), "holding");
}

// ---------------------------------------------------------------- properties

class Dice {
 public:
  explicit Dice(uint32_t seed) : engine_(seed) {}
  uint32_t below(uint32_t limit) { return std::uniform_int_distribution<uint32_t>(0, limit - 1)(engine_); }
  bool one_in(uint32_t n) { return below(n) == 0; }

 private:
  std::mt19937 engine_;
};

Rollout random_rollout(Dice& dice) {
  Rollout rollout;
  rollout.percent = dice.one_in(3) ? 50 : 0;
  uint32_t percent = 0;
  const uint32_t count = dice.one_in(8) ? 0 : 1 + dice.below(4);
  for (uint32_t i = 0; i < count; ++i) {
    percent += 100 + dice.below(2300);
    rollout.steps.push_back({percent, Millis(3'600'000 * (1 + dice.below(5))), dice.one_in(4)});
  }
  if (count > 0) {
    if (dice.one_in(2)) rollout.steps.back().percent = 10000;
    rollout.steps.back().hold = 0ms;
    if (dice.one_in(2)) rollout.soak = Millis(3'600'000 * (1 + dice.below(5)));
    if (dice.one_in(3)) rollout.start = at("2026-03-02T05:00:00Z");
  }
  if (!dice.one_in(4)) rollout.gate.emplace();
  if (dice.one_in(2)) rollout.rollback_rate = config::Rate{1 + dice.below(60), 1min};
  rollout.on_fail = static_cast<Rollout::OnFail>(dice.below(3));
  if (count == 0 && rollout.on_fail == Rollout::OnFail::step_back)
    rollout.on_fail = Rollout::OnFail::rollback;
  if (dice.one_in(2)) rollout.freeze = {{{}, 3h, 7h, "Europe/Berlin"}};
  return rollout;
}

using Seen = std::set<std::tuple<Phase, Cause, Phase>>;

// What must hold whatever happens.
void check_rules(const Rollout& rollout, const Progress& before, const Turn& turn, WallTime now,
                 Verdict verdict) {
  const Progress& after = turn.progress;
  ASSERT_LE(after.percent, 10000u);
  ASSERT_LE(after.target, after.percent);
  ASSERT_LE(after.taken, rollout.steps.size());
  if (after.percent > before.percent) {
    EXPECT_EQ(turn.cause, Cause::advance);
    EXPECT_FALSE(is_frozen(rollout.freeze, now));
    EXPECT_TRUE(verdict != Verdict::fail || before.percent == 0);
    EXPECT_EQ(after.percent, rollout.steps[after.taken - 1].percent);
    EXPECT_FALSE(rollout.steps[after.taken - 1].approve);
    if (before.taken > 0) {
      EXPECT_EQ(verdict, Verdict::pass);
      if (before.phase == Phase::holding) {
        EXPECT_GE(now - before.hold_since, rollout.steps[before.taken - 1].hold);
      }
    }
  }
  if (turn.cause) {
    EXPECT_TRUE(is_allowed(before.phase, *turn.cause, after.phase));
    EXPECT_FALSE(is_order(*turn.cause));
  } else {
    EXPECT_EQ(after.phase, before.phase);
  }
  if (before.phase == Phase::aborted || before.phase == Phase::promoted || before.phase == Phase::damaged) {
    EXPECT_EQ(after.phase, before.phase);
    EXPECT_EQ(after.percent, before.percent);
  }
  const Turn again = tick(rollout, before, now, verdict);
  EXPECT_EQ(again.progress, after) << "a restart at this moment comes to the same";
}

void random_walk(uint32_t seed, Seen& seen) {
  Dice dice(seed);
  Rollout rollout = random_rollout(dice);
  WallTime now = at("2026-03-02T00:00:00Z");
  Progress progress = fresh_progress(rollout, now);
  if (dice.one_in(20)) progress.phase = Phase::damaged;
  for (int i = 0; i < 200; ++i) {
    if (dice.one_in(8)) {
      const Command command{static_cast<Cause>(dice.below(7)), dice.below(10001), dice.one_in(3)};
      Result<Progress> next = carry_out(rollout, progress, command, now);
      if (next) {
        seen.emplace(progress.phase, command.verb, next->phase);
        EXPECT_EQ(next->target < next->percent,
                  progress.target < progress.percent && command.verb == Cause::pause);
        if (next->percent > progress.percent && !command.force) {
          EXPECT_FALSE(is_frozen(rollout.freeze, now));
        }
        progress = *next;
      } else {
        EXPECT_EQ(next.error().status, 409);
      }
    }
    if (dice.one_in(60)) {
      rollout = random_rollout(dice);
      const uint32_t before = progress.percent;
      progress = reconcile(rollout, progress);
      if (progress.phase != Phase::file) {
        EXPECT_EQ(progress.percent, before);
      }
    }
    now += dice.one_in(40) ? -Millis(dice.below(200'000'000)) : Millis(dice.below(3'600'000));
    Verdict verdict = Verdict::pass;
    if (rollout.gate && dice.one_in(3)) verdict = dice.one_in(5) ? Verdict::fail : Verdict::hold;
    const Turn turn = tick(rollout, progress, now, verdict);
    check_rules(rollout, progress, turn, now, verdict);
    if (turn.cause) seen.emplace(progress.phase, *turn.cause, turn.progress.phase);
    progress = turn.progress;
  }
}

TEST(Schedule, HoldsItsRulesInRandomWalksAndReachesTheWholeTable) {
  Seen seen;
  for (uint32_t seed = 1; seed <= 6000; ++seed) {
    SCOPED_TRACE(seed);
    random_walk(seed, seen);
    if (testing::Test::HasFailure()) return;
  }
  for (const Transition& row : transitions()) {
    EXPECT_TRUE(seen.contains({row.from, row.cause, row.to}))
        << phase_name(row.from) << " " << cause_name(row.cause) << " " << phase_name(row.to)
        << " is in the table but never happens";
  }
}

// Real time goes on evenly while the wall clock jumps back now and then: no step is ever shorter than it
// should.
TEST(Schedule, AClockThatJumpsBackNeverShortensAStep) {
  for (uint32_t seed = 1; seed <= 200; ++seed) {
    Dice dice(seed);
    const Rollout rollout = three_steps();
    WallTime now = at("2026-03-02T00:00:00Z");
    Progress progress = fresh_progress(rollout, now);
    Millis real{}, taken_at{};
    for (int i = 0; i < 2000 && progress.phase != Phase::done; ++i) {
      const Millis time(dice.below(7'200'000));
      real += time;
      now += time;
      if (dice.one_in(100)) now -= Millis(dice.below(864'000'000));
      const Turn turn = tick(rollout, progress, now, Verdict::pass);
      if (turn.progress.percent > progress.percent) {
        if (progress.percent > 0) {
          ASSERT_GE(real - taken_at, 24h * 7) << seed;
        }
        taken_at = real;
      }
      progress = turn.progress;
    }
  }
}

TEST(Schedule, AClockThatJumpsForwardEndsOneHoldTimeOnly) {
  Course run(three_steps());
  run.settle();
  run.set_clock(run.now() + 24h * 365);
  run.settle();
  EXPECT_EQ(run.percent(), 5000u);
  run.set_clock(run.now() - 24h * 365);
  run.settle();
  run.pass_time(24h * 7 - 1s);
  EXPECT_EQ(run.percent(), 5000u);
  run.pass_time(1s);
  EXPECT_EQ(run.percent(), 10000u) << "and does not wait for a year when it is set right";
}

TEST(Transitions, NamesGoBothWays) {
  for (size_t i = 0; i < kPhases; ++i) {
    const Phase phase = static_cast<Phase>(i);
    EXPECT_EQ(parse_phase(phase_name(phase)), phase);
  }
  EXPECT_FALSE(parse_phase("later"));
}

}  // namespace
}  // namespace banyan::rollout
