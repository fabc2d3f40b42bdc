#include "exchange/fallback_budget.h"

#include <gtest/gtest.h>

namespace banyan::exchange {
namespace {

using namespace std::chrono_literals;

const TimePoint kNow = TimePoint(1000s);

int take_all(FallbackBudgets& budgets, uint32_t rollout, uint32_t share, TimePoint now) {
  int taken = 0;
  while (taken < 10'000 && budgets.take(rollout, share, now)) ++taken;
  return taken;
}

TEST(FallbackBudgets, AShareOfTheRequestsAndAReserveAndOneASecond) {
  FallbackBudgets budgets;
  EXPECT_EQ(take_all(budgets, 1, 2000, kNow), 10 + 1);
  EXPECT_EQ(take_all(budgets, 1, 2000, kNow + 999ms), 0);
  EXPECT_EQ(take_all(budgets, 1, 2000, kNow + 1s), 1);
  for (int i = 0; i < 100; ++i) budgets.on_request(1, 2000);
  EXPECT_EQ(take_all(budgets, 1, 2000, kNow + 1s), 20);
}

TEST(FallbackBudgets, ANativeSideThatAlwaysFailsCannotDoubleLegacysLoad) {
  FallbackBudgets budgets;
  int fallbacks = 0;
  for (int i = 0; i < 100'000; ++i) {  // 1000 a second
    budgets.on_request(7, 2000);
    fallbacks += i % 2 == 0 && budgets.take(7, 2000, kNow + i * 1ms);
  }
  EXPECT_LE(fallbacks, 20'000 + 10 + 100);
  EXPECT_GE(fallbacks, 20'000);
}

TEST(FallbackBudgets, ShareOfAHundredRefusesNobodyAndZeroEverybody) {
  FallbackBudgets budgets;
  for (int i = 0; i < 1000; ++i) {
    budgets.on_request(1, 10'000);
    ASSERT_TRUE(budgets.take(1, 10'000, kNow));
    budgets.on_request(2, 0);
    ASSERT_FALSE(budgets.take(2, 0, kNow));
  }
}

TEST(FallbackBudgets, RolloutsHaveTheirOwnAndANewShareCountsAtOnce) {
  FallbackBudgets budgets;
  take_all(budgets, 1, 2000, kNow);
  EXPECT_TRUE(budgets.take(2, 2000, kNow));
  EXPECT_FALSE(budgets.take(1, 2000, kNow));
  EXPECT_TRUE(budgets.take(1, 5000, kNow));
}

}  // namespace
}  // namespace banyan::exchange
