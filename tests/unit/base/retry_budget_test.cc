#include "base/retry_budget.h"

#include <gtest/gtest.h>

namespace banyan {
namespace {

TEST(RetryBudget, AllowsAShareOfTheRequestsAndAReserve) {
  RetryBudget budget(2000);
  int reserve = 0;
  while (budget.take()) ++reserve;
  EXPECT_EQ(reserve, 10);
  for (int i = 0; i < 100; ++i) budget.on_request();
  int retries = 0;
  while (budget.take()) ++retries;
  EXPECT_EQ(retries, 20);
  RetryBudget none(0);
  EXPECT_FALSE(none.take());
}

}  // namespace
}  // namespace banyan
