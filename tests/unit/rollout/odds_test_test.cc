#include "rollout/odds_test.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace banyan::rollout {
namespace {

double choose(double n, double k) {
  return std::exp(std::lgamma(n + 1) - std::lgamma(k + 1) - std::lgamma(n - k + 1));
}

// The sum as the header says it, term by term.
double plain_normalizer(const Stratum& stratum, double odds) {
  const auto native = static_cast<double>(stratum.native);
  const auto legacy = static_cast<double>(stratum.legacy);
  const auto events = static_cast<double>(stratum.native_events + stratum.legacy_events);
  double sum = 0;
  for (double j = std::max(0.0, events - legacy); j <= std::min(native, events); ++j) {
    sum +=
        choose(native, j) * choose(legacy, events - j) / choose(native + legacy, events) * std::pow(odds, j);
  }
  return sum;
}

TEST(Normalizer, IsTheSumOverAllOutcomes) {
  for (const Stratum& stratum : {Stratum{10, 90, 3, 4}, Stratum{50, 50, 50, 0}, Stratum{1, 1, 0, 1},
                                 Stratum{5, 200, 2, 190}, Stratum{200, 3, 9, 3}}) {
    for (double odds : {0.5, 1.0, 1.1, 2.0, 20.0}) {
      EXPECT_NEAR(log_normalizer(stratum, odds), std::log(plain_normalizer(stratum, odds)), 1e-9);
    }
  }
}

TEST(Normalizer, HoldsForStrataOfMillions) {
  const Stratum stratum{1'000'000, 9'000'000, 60'000, 440'000};
  EXPECT_NEAR(log_normalizer(stratum, 1), 0, 1e-5);
  // Events are rare: nearly binomial, (1 - s + s r)^m.
  const double binomial = 500'000 * std::log(0.9 + 0.1 * 1.1);
  EXPECT_NEAR(log_normalizer(stratum, 1.1) / binomial, 1, 0.01);
}

// The expectation of one stratum's factor is 1, summed over all outcomes with their probabilities: the whole
// promise rests on it.
TEST(OddsTest, ExpectsNothingOfEqualSides) {
  for (const auto& [native, legacy, events] : {std::array{20, 80, 7}, std::array{50, 50, 60}}) {
    double expectation = 0;
    for (int k = std::max(0, events - legacy); k <= std::min(native, events); ++k) {
      OddsTest test;
      test.add(OddsTest::step_of({static_cast<uint64_t>(native), static_cast<uint64_t>(legacy),
                                  static_cast<uint64_t>(k), static_cast<uint64_t>(events - k)}));
      const double chance = choose(native, k) * choose(legacy, events - k) / choose(native + legacy, events);
      expectation += chance * std::exp(test.log_evidence());
    }
    EXPECT_NEAR(expectation, 1, 1e-9);
  }
}

TEST(OddsTest, SaysNothingWhereThereIsNothingToCompare) {
  OddsTest test;
  for (const Stratum& stratum : {Stratum{100, 0, 50, 0}, Stratum{0, 100, 0, 50}, Stratum{100, 100, 0, 0},
                                 Stratum{100, 100, 100, 100}, Stratum{}}) {
    test.add(OddsTest::step_of(stratum));
  }
  EXPECT_NEAR(test.log_evidence(), 0, 1e-12);
}

TEST(OddsTest, GrowsAgainstAWorseSideAndShrinksForABetterOne) {
  OddsTest worse;
  OddsTest better;
  for (int i = 0; i < 20; ++i) {
    worse.add(OddsTest::step_of({100, 100, 10, 5}));
    better.add(OddsTest::step_of({100, 100, 5, 10}));
  }
  EXPECT_GT(worse.log_evidence(), std::log(1000.0));
  EXPECT_LT(better.log_evidence(), 0);
}

// A day's cycle and bursts that hit both sides are no evidence, which they would be if all was added up: here
// native's share is larger just when everything fails.
TEST(OddsTest, IsNotMisledByTimesThatAreBadForBothSides) {
  OddsTest test;
  for (int i = 0; i < 50; ++i) {
    test.add(OddsTest::step_of({10, 990, 0, 5}));
    test.add(OddsTest::step_of({90, 10, 45, 5}));
  }
  EXPECT_LT(test.log_evidence(), 0);
}

}  // namespace
}  // namespace banyan::rollout
