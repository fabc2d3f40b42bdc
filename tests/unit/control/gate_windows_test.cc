#include "control/gate_windows.h"

#include <gtest/gtest.h>

#include "unit/control/traffic.h"

namespace banyan::control {
namespace {

using rollout::Verdict;
using shm::Ending;
using shm::Side;

config::Gate gate() {
  config::Gate gate;
  gate.min_requests = 50;
  gate.window = 100s;
  gate.p99_ratio = 1.2;
  return gate;
}

TEST(GateWindows, ShowTheSameMinutesOfBothSides) {
  Traffic traffic(gate());
  for (int i = 0; i < 99; ++i) traffic.count(Side::native, Ending::answered, 10ms);
  traffic.count(Side::native, Ending::timeout, 2s);
  for (int i = 0; i < 300; ++i) traffic.count(Side::legacy, Ending::answered, 10ms);
  traffic.pass(10s, 0);
  const rollout::Judgement judgement = traffic.look();
  EXPECT_EQ(judgement.native.requests, 100u);
  EXPECT_EQ(judgement.native.errors, 1u);
  EXPECT_DOUBLE_EQ(judgement.native.error_rate, 0.01);
  EXPECT_NEAR(judgement.native.p50, 0.010, 0.010 * shm::kLatencyError);
  EXPECT_NEAR(judgement.native.p99, 0.010, 0.010 * shm::kLatencyError);
  EXPECT_EQ(judgement.legacy.requests, 300u);
  EXPECT_EQ(judgement.window, Millis(100s));
  ASSERT_EQ(judgement.checks.size(), 2u);
  EXPECT_EQ(judgement.checks[0].check, rollout::Check::errors);
  EXPECT_DOUBLE_EQ(judgement.checks[0].excess, 1);
  EXPECT_DOUBLE_EQ(judgement.checks[0].limit, 0.5);
  EXPECT_TRUE(judgement.checks[0].over);
  EXPECT_FALSE(judgement.checks[0].failed);
  EXPECT_DOUBLE_EQ(judgement.checks[0].alpha, 0.025);
  EXPECT_EQ(judgement.verdict, Verdict::hold);
  EXPECT_EQ(judgement.reason,
            "may be worse: error rate 1.00% against 0.00% (+1.00 points, 0.5 allowed); 100 native and 300 "
            "legacy requests within 100s");
}

TEST(GateWindows, ForgetWhatIsOlderThanTheWindow) {
  Traffic traffic(gate());
  for (int i = 0; i < 60; ++i) {
    traffic.count(Side::native, Ending::answered);
    traffic.count(Side::legacy, Ending::answered);
  }
  traffic.pass(10s, 0);
  EXPECT_EQ(traffic.look().verdict, Verdict::pass) << traffic.look().reason;
  traffic.pass(90s, 0);
  EXPECT_EQ(traffic.look().native.requests, 60u);
  traffic.pass(20s, 0);
  EXPECT_EQ(traffic.look().native.requests, 0u);
  EXPECT_EQ(traffic.look().verdict, Verdict::hold);
  traffic.pass(30min, 0);
  traffic.count(Side::native, Ending::answered);
  traffic.pass(10s, 0);
  EXPECT_EQ(traffic.look().native.requests, 1u);
}

TEST(GateWindows, FailWithTheNumbersItRestsOn) {
  Traffic traffic(gate());
  for (int i = 0; i < 100; ++i) {
    traffic.count(Side::native, Ending::failed);
    traffic.count(Side::legacy, Ending::answered);
  }
  traffic.pass(10s, 0);
  const rollout::Judgement judgement = traffic.look();
  EXPECT_EQ(judgement.verdict, Verdict::fail);
  EXPECT_EQ(judgement.reason,
            "native is worse: error rate 100.00% against 0.00% (+100.00 points, 0.5 allowed) in 100 native "
            "and 100 legacy requests, by chance at most once in 1000000000");
  EXPECT_TRUE(judgement.checks[0].failed);
  EXPECT_LT(judgement.checks[0].chance, 1e-9);
  EXPECT_FALSE(judgement.checks[1].failed);
}

TEST(GateWindows, NeedTheMinimumOfEachSideEvenToFail) {
  Traffic traffic(gate());
  for (int i = 0; i < 49; ++i) traffic.count(Side::native, Ending::failed);
  for (int i = 0; i < 1000; ++i) traffic.count(Side::legacy, Ending::answered);
  traffic.pass(10s, 0);
  EXPECT_EQ(traffic.look().verdict, Verdict::hold);
  EXPECT_EQ(traffic.look().reason,
            "too few to judge: 49 native and 1000 legacy requests within 100s, 50 needed of each");
  traffic.count(Side::native, Ending::failed);
  traffic.pass(10s, 0);
  EXPECT_EQ(traffic.look().verdict, Verdict::fail);
}

TEST(GateWindows, AToleratedDifferenceIsNoFailureHoweverSure) {
  config::Gate tolerant = gate();
  tolerant.error_rate_increase = 1000;
  Traffic traffic(tolerant);
  traffic.legacy.error_rate = 0.01;
  traffic.native.error_rate = 0.05;
  for (int i = 0; i < 20; ++i) traffic.pass(5s, 400);
  const rollout::Judgement judgement = traffic.look();
  EXPECT_LT(judgement.checks[0].chance, 1e-6);
  EXPECT_EQ(judgement.verdict, Verdict::pass) << judgement.reason;
}

TEST(GateWindows, BeginAnewWhenThePercentageIsMoved) {
  Traffic traffic(gate());
  traffic.native.error_rate = 1;
  traffic.pass(10s, 50);
  EXPECT_EQ(traffic.look().verdict, Verdict::fail);
  traffic.native.error_rate = 0;
  traffic.send(1000);  // after the last sample and before the move: nobody's
  traffic.move_to(0.2);
  traffic.send(1000);  // too early
  traffic.settle();
  EXPECT_EQ(traffic.look().reason, "no requests within 100s");
  traffic.legacy.error_rate = 0;
  traffic.pass(10s, 50);
  EXPECT_EQ(traffic.look().verdict, Verdict::pass) << traffic.look().reason;
}

TEST(GateWindows, OfARestartedControllerHoldUntilTheyKnowAndThenJudge) {
  Traffic traffic(gate());
  traffic.native.error_rate = 0.5;
  traffic.pass(10s, 100);
  ASSERT_EQ(traffic.look().verdict, Verdict::fail);
  traffic.clock().advance(1h);
  traffic.begin_controller();
  EXPECT_EQ(traffic.look().verdict, Verdict::hold);
  traffic.gates().sample();
  EXPECT_EQ(traffic.look().native.requests, 0u) << "what was before is not of this window";
  const double first = [&] {
    traffic.pass(10s, 20);
    return traffic.look().checks[0].chance;
  }();
  EXPECT_LT(first, 1) << "it sees, with less weight than from the beginning";
  traffic.pass(10s, 100);
  EXPECT_EQ(traffic.look().verdict, Verdict::fail) << traffic.look().reason;
}

TEST(GateWindows, WaitWhileNativeIsDown) {
  Traffic traffic(gate());
  for (int i = 0; i < 100; ++i) {
    traffic.count(Side::native, Ending::answered);
    traffic.count(Side::legacy, Ending::answered);
  }
  for (int i = 0; i < 10; ++i) traffic.count(Side::native, Ending::diverted);
  traffic.pass(10s, 0);
  const rollout::Judgement judgement = traffic.look();
  EXPECT_EQ(judgement.verdict, Verdict::hold);
  EXPECT_EQ(judgement.diverted, 10u);
  EXPECT_EQ(judgement.native.requests, 100u);
  EXPECT_EQ(judgement.reason,
            "native was down: legacy took 10 of its requests; 100 native and 100 legacy requests within "
            "100s");
}

TEST(GateWindows, KeepWhatTheyKnowOverAReloadUnlessTheWindowChanges) {
  Traffic traffic(gate());
  traffic.native.error_rate = 1;
  traffic.pass(10s, 50);
  traffic.rollout().fallback = false;
  traffic.gates().adopt({traffic.rollout()});
  EXPECT_EQ(traffic.look().verdict, Verdict::fail);
  traffic.rollout().gate->window = 5min;
  traffic.gates().adopt({traffic.rollout()});
  EXPECT_EQ(traffic.look().verdict, Verdict::hold);
  traffic.pass(10s, 50);
  EXPECT_EQ(traffic.look().verdict, Verdict::fail);
}

TEST(GateWindows, ShowNumbersOfRolloutsWithoutAGate) {
  Traffic traffic(gate());
  traffic.rollout().gate.reset();
  traffic.gates().adopt({traffic.rollout()});
  traffic.pass(10s, 50);
  const rollout::Judgement judgement = traffic.look();
  EXPECT_EQ(judgement.verdict, Verdict::pass);
  EXPECT_EQ(judgement.reason, "no gate");
  EXPECT_EQ(judgement.window, Millis(10min));
  EXPECT_GT(judgement.native.requests, 0u);
  EXPECT_TRUE(judgement.checks.empty());
}

}  // namespace
}  // namespace banyan::control
