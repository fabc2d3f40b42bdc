#include "process/backoff.h"

#include <gtest/gtest.h>

namespace banyan::process {
namespace {

using namespace std::chrono_literals;  // NOLINT

TEST(Backoff, FewDeathsAreReplacedAtOnce) {
  Backoff backoff;
  TimePoint now{};
  for (int i = 0; i < 4; ++i) EXPECT_EQ(backoff.on_death(now += 1s), 0s);
  EXPECT_FALSE(backoff.slowed());
}

TEST(Backoff, RareDeathsNeverSlowDown) {
  Backoff backoff;
  TimePoint now{};
  for (int i = 0; i < 100; ++i) EXPECT_EQ(backoff.on_death(now += 3s), 0s);
}

TEST(Backoff, ManyDeathsWaitLongerAndLongerUpToTheMost) {
  Backoff backoff;
  TimePoint now{};
  Duration wait{};
  for (int i = 0; i < 4; ++i) wait = backoff.on_death(now += 10ms);
  EXPECT_EQ(wait, 0s);
  Duration expected[] = {500ms, 1s, 2s, 4s, 8s, 10s, 10s};
  for (Duration next : expected) {
    wait = backoff.on_death(now += wait + 10ms);
    EXPECT_EQ(wait, next);
    EXPECT_TRUE(backoff.slowed());
  }
}

TEST(Backoff, AQuietWindowForgets) {
  Backoff backoff;
  TimePoint now{};
  Duration wait{};
  for (int i = 0; i < 8; ++i) wait = backoff.on_death(now += wait + 10ms);
  EXPECT_GT(wait, 0s);
  EXPECT_EQ(backoff.on_death(now += wait + Backoff::kWindow + 1ms), 0s);
  EXPECT_FALSE(backoff.slowed());
}

}  // namespace
}  // namespace banyan::process
