// What the gate promises, measured on simulated traffic: how often it fails equal sides, and how soon it
// finds unequal ones.
#include <gtest/gtest.h>

#include "unit/control/traffic.h"

namespace banyan::control {
namespace {

using rollout::Verdict;

config::Gate strict_gate() {
  config::Gate gate;
  gate.min_requests = 100;
  gate.window = 1min;
  gate.error_rate_increase = 50;
  gate.p50_ratio = 1.1;
  gate.p99_ratio = 1.2;
  gate.alpha = 0.05;
  return gate;
}

config::RolloutStep step_to(uint32_t percent) {
  config::RolloutStep step;
  step.percent = percent;
  return step;
}

// ---- equal sides

struct Equal {
  const char* name;
  double share;
  SideBehaviour side;
  // Changes what both sides do in that tick of a run.
  void (*weather)(Traffic&, int tick);
};

void steady(Traffic&, int) {}

void cycle(Traffic& traffic, int tick) {
  const double height = std::sin(tick / 60.0 * 2 * 3.14159265);
  traffic.legacy.error_rate = traffic.native.error_rate = 0.05 * (1 + 0.9 * height);
  traffic.legacy.median = traffic.native.median = 0.02 * std::exp(height);
}

// Now and then everything fails slowly for ten seconds, on both sides.
void bursts(Traffic& traffic, int) {
  const bool burst = traffic.uniform() < 0.05;
  traffic.legacy.error_rate = traffic.native.error_rate = burst ? 0.8 : 0.005;
  traffic.legacy.median = traffic.native.median = burst ? 2.0 : 0.02;
}

class EqualSides : public ::testing::TestWithParam<Equal> {};

// A run has two steps and is looked at every ten seconds; one run fails if any look does.
TEST_P(EqualSides, FailAtMostAlphaOfAThousandRollouts) {
  constexpr int kRuns = 1000;
  constexpr int kTicks = 60;
  const Equal& equal = GetParam();
  Traffic traffic(strict_gate(), 20261121);
  traffic.rollout().steps = {step_to(1000), step_to(5000), step_to(10000)};
  int failures = 0;
  int passes = 0;
  for (int run = 0; run < kRuns; ++run) {
    traffic.legacy = traffic.native = equal.side;
    traffic.share = equal.share;
    traffic.begin();
    bool failed = false;
    bool passed = false;
    for (int tick = 0; tick < kTicks && !failed; ++tick) {
      if (tick == kTicks / 2) traffic.move_to(0.5);
      equal.weather(traffic, tick);
      traffic.pass(10s, tick < kTicks / 2 ? 8 : 3);
      const Verdict verdict = traffic.look().verdict;
      failed = verdict == Verdict::fail;
      passed = passed || verdict == Verdict::pass;
    }
    failures += failed ? 1 : 0;
    passes += passed ? 1 : 0;
  }
  RecordProperty("failures", failures);
  EXPECT_LE(failures, static_cast<int>(kRuns * strict_gate().alpha));
  EXPECT_GE(passes, kRuns * 6 / 10) << "a gate that never passes would be easy";
}

INSTANTIATE_TEST_SUITE_P(Gate, EqualSides,
                         ::testing::Values(Equal{"steady", 0.5, {}, steady},
                                           Equal{"tenth_and_skewed", 0.1, {0.02, 0.02, 2}, steady},
                                           Equal{"daily_cycle", 0.2, {}, cycle},
                                           Equal{"bursts", 0.2, {0.005, 0.02, 0.5}, bursts}),
                         [](const auto& info) { return std::string(info.param.name); });

// ---- unequal sides

// Of so many runs, how many fail before native has had that many requests.
int found(Traffic& traffic, int runs, uint64_t native_requests) {
  int failures = 0;
  for (int run = 0; run < runs; ++run) {
    traffic.begin();
    for (;;) {
      traffic.pass(5s, 10 / traffic.share);
      if (traffic.native_requests() > native_requests) break;
      if (traffic.look().verdict == Verdict::fail) {
        ++failures;
        break;
      }
    }
  }
  return failures;
}

config::Gate error_gate() {
  config::Gate gate = strict_gate();
  gate.p50_ratio.reset();
  gate.p99_ratio.reset();
  return gate;
}

struct Doubled {
  double share;
  double base;             // legacy's error rate
  uint64_t requests;       // native's
  int found_of_a_hundred;  // at least
};

class DoubledErrorRate : public ::testing::TestWithParam<Doubled> {};

TEST_P(DoubledErrorRate, IsFound) {
  const Doubled& doubled = GetParam();
  Traffic traffic(error_gate(), 7);
  traffic.share = doubled.share;
  traffic.legacy.error_rate = doubled.base;
  traffic.native.error_rate = 2 * doubled.base;
  EXPECT_GE(found(traffic, 100, doubled.requests), doubled.found_of_a_hundred);
}

// At 500 requests of native's the limit is 5% against 10% with a small share, 10% against 20% with half of
// all; rarer errors take more requests, in proportion.
INSTANTIATE_TEST_SUITE_P(Gate, DoubledErrorRate,
                         ::testing::Values(Doubled{0.1, 0.05, 500, 75}, Doubled{0.1, 0.10, 500, 97},
                                           Doubled{0.5, 0.10, 500, 80}, Doubled{0.5, 0.20, 250, 90},
                                           Doubled{0.1, 0.01, 3000, 80}, Doubled{0.5, 0.05, 1500, 95}));

TEST(Gate, FindsAP99TwiceAsLong) {
  config::Gate gate = strict_gate();
  gate.p50_ratio.reset();
  Traffic traffic(gate, 3);
  traffic.share = 0.1;
  traffic.native.median = 2 * traffic.legacy.median;
  EXPECT_GE(found(traffic, 100, 1000), 97);
  traffic.share = 0.5;
  EXPECT_GE(found(traffic, 100, 3000), 95);
}

TEST(Gate, FindsALongTailUnderAnEqualMedian) {
  config::Gate gate = strict_gate();
  Traffic traffic(gate, 4);
  traffic.share = 0.1;
  traffic.legacy.sigma = 0.7;
  traffic.native.sigma = 1.0;  // p99 twice as long
  EXPECT_GE(found(traffic, 100, 2000), 90);
  traffic.begin();
  while (traffic.look().verdict != Verdict::fail) traffic.pass(5s, 100);
  EXPECT_NE(traffic.look().reason.find("p99"), std::string::npos) << traffic.look().reason;
  EXPECT_EQ(traffic.look().reason.find("p50"), std::string::npos) << traffic.look().reason;
}

TEST(Gate, PassesAnImprovement) {
  Traffic traffic(strict_gate(), 5);
  traffic.native.error_rate = 0.01;
  traffic.native.median = traffic.legacy.median / 2;
  for (int run = 0; run < 100; ++run) {
    traffic.begin();
    int passes = 0;
    for (int tick = 0; tick < 60; ++tick) {
      traffic.pass(5s, 20);
      const Verdict verdict = traffic.look().verdict;
      ASSERT_NE(verdict, Verdict::fail);
      if (verdict == Verdict::pass) ++passes;
    }
    ASSERT_GE(passes, 30);
  }
}

// ---- small numbers

TEST(Gate, HoldsAtThreeRequestsAMinuteWithOneError) {
  config::Gate gate = strict_gate();
  gate.window = 10min;
  for (uint32_t least : {100u, 1u}) {
    gate.min_requests = least;
    Traffic traffic(gate, 6);
    traffic.legacy.error_rate = traffic.native.error_rate = 0;
    for (int minute = 0; minute < 240; ++minute) {
      if (minute == 5) traffic.count(shm::Side::native, shm::Ending::server_error, 20ms);
      traffic.pass(1min, 3.0 / 60);
      const rollout::Judgement judgement = traffic.look();
      ASSERT_NE(judgement.verdict, Verdict::fail) << judgement.reason;
      if (minute >= 5 && minute < 14) {
        ASSERT_EQ(judgement.verdict, Verdict::hold) << judgement.reason;
      }
    }
  }
}

TEST(Gate, HoldsWithoutTraffic) {
  Traffic traffic(strict_gate());
  for (int minute = 0; minute < 1000; ++minute) {
    traffic.pass(1min, 0);
    ASSERT_EQ(traffic.look().verdict, Verdict::hold);
  }
  EXPECT_EQ(traffic.look().reason, "no requests within 1m");
}

TEST(Gate, HoldsWhenOneSideHasNoTraffic) {
  Traffic traffic(strict_gate());
  traffic.share = 1;
  traffic.native.error_rate = 1;
  traffic.pass(10s, 100);
  EXPECT_EQ(traffic.look().verdict, Verdict::hold) << "there is nothing to compare with";
}

// ---- weeks

TEST(Gate, FindsASideThatGoesBadAfterThreeGoodDays) {
  config::Gate gate = strict_gate();
  gate.window = 10min;
  Traffic traffic(gate, 8);
  traffic.share = 0.1;
  traffic.legacy.error_rate = traffic.native.error_rate = 0.01;
  for (int minute = 0; minute < 3 * 24 * 60; ++minute) {
    traffic.pass(1min, 1);
    ASSERT_NE(traffic.look().verdict, Verdict::fail) << traffic.look().reason;
  }
  traffic.native.error_rate = 0.3;
  int minutes = 0;
  while (traffic.look().verdict != Verdict::fail) {
    traffic.pass(1min, 10);
    ASSERT_LT(++minutes, 15) << traffic.look().reason;
  }
}

}  // namespace
}  // namespace banyan::control
