#include "shm/breaker.h"

#include <gtest/gtest.h>

#include <optional>

namespace banyan::shm {
namespace {

using namespace std::chrono_literals;

class BreakerTest : public testing::Test {
 protected:
  BreakerTest() : segment_(std::move(*Segment::create())), breaker_(segment_, 1, rules()) {}

  static Breaker::Rules rules() {
    return {.failures = 5000, .requests = 4, .window = 8s, .time = 5s, .time_max = 20s, .trials = 2};
  }
  // One request that takes no time. Nothing: it was not let through.
  std::optional<Breaker::Change> request(bool good) {
    Breaker::Pass pass;
    if (!breaker_.admit(now_, pass)) return std::nullopt;
    return breaker_.note(pass, good, now_);
  }
  void open() {
    for (int i = 0; i < 3; ++i) request(false);
    ASSERT_EQ(request(false), Breaker::Change::opened);
  }

  Segment segment_;
  Breaker breaker_;
  TimePoint now_ = TimePoint(1'000'000s);
};

TEST_F(BreakerTest, OpensAtTheShareOfEnoughRequests) {
  EXPECT_EQ(request(false), Breaker::Change::none);
  EXPECT_EQ(request(false), Breaker::Change::none);
  EXPECT_EQ(request(false), Breaker::Change::none) << "three say nothing";
  EXPECT_EQ(breaker_.state(), BreakerState::closed);
  EXPECT_EQ(request(false), Breaker::Change::opened);
  EXPECT_EQ(breaker_.state(), BreakerState::open);
  EXPECT_EQ(request(true), std::nullopt);
  EXPECT_EQ(breaker_.open_until() - now_, 5s);
}

TEST_F(BreakerTest, StaysClosedBelowTheShare) {
  for (int i = 0; i < 1000; ++i) {
    EXPECT_EQ(request(true), Breaker::Change::none);
    EXPECT_EQ(request(true), Breaker::Change::none);
    EXPECT_EQ(request(false), Breaker::Change::none);
  }
}

TEST_F(BreakerTest, ForgetsWhatIsOlderThanTheWindow) {
  for (int i = 0; i < 3; ++i) request(false);
  now_ += 9s;
  EXPECT_EQ(request(false), Breaker::Change::none);
  now_ += 4s;
  request(false);
  request(false);
  EXPECT_EQ(request(false), Breaker::Change::opened) << "the last four are within eight seconds";
}

TEST_F(BreakerTest, LetsTrialsThroughAndCloses) {
  open();
  now_ += 5001ms;
  EXPECT_TRUE(breaker_.admits(now_));
  Breaker::Pass first, second, third;
  EXPECT_TRUE(breaker_.admit(now_, first));
  EXPECT_TRUE(breaker_.admit(now_, second));
  EXPECT_FALSE(breaker_.admits(now_));
  EXPECT_FALSE(breaker_.admit(now_, third));
  EXPECT_EQ(breaker_.state(), BreakerState::half_open);
  EXPECT_EQ(breaker_.note(first, true, now_), Breaker::Change::none);
  EXPECT_EQ(breaker_.note(second, true, now_), Breaker::Change::closed);
  EXPECT_EQ(breaker_.state(), BreakerState::closed);
  for (int i = 0; i < 3; ++i)
    EXPECT_EQ(request(false), Breaker::Change::none) << "the old failures are forgotten";
}

TEST_F(BreakerTest, OpensForTwiceAsLongWhenATrialFails) {
  open();
  for (auto time : {10s, 20s, 20s}) {
    now_ = breaker_.open_until();
    EXPECT_EQ(request(false), Breaker::Change::opened);
    EXPECT_NEAR((breaker_.open_until() - now_) / 1ms, time / 1ms, 1)
        << "states are a millisecond apart at least";
  }
}

TEST_F(BreakerTest, BeginsWithTheShortestTimeAfterACalm) {
  open();
  now_ = breaker_.open_until();
  request(true);
  EXPECT_EQ(request(true), Breaker::Change::closed);
  now_ += 21s;
  open();
  EXPECT_EQ(breaker_.open_until() - now_, 5s);
}

TEST_F(BreakerTest, RequestsOfOldTimesDoNotCount) {
  Breaker::Pass slow;
  EXPECT_TRUE(breaker_.admit(now_, slow));
  now_ += 1s;
  open();
  now_ = breaker_.open_until();
  Breaker::Pass trial;
  EXPECT_TRUE(breaker_.admit(now_, trial));
  EXPECT_EQ(breaker_.note(slow, false, now_), Breaker::Change::none) << "it began before the opening";
  EXPECT_EQ(breaker_.state(), BreakerState::half_open);
}

TEST_F(BreakerTest, AbandonedTrialsGiveTheirPlaceBack) {
  open();
  now_ = breaker_.open_until();
  for (int i = 0; i < 10; ++i) {
    Breaker::Pass pass;
    ASSERT_TRUE(breaker_.admit(now_, pass));
    breaker_.abandon(pass);
  }
}

TEST_F(BreakerTest, TrialsOfADeadWorkerEndNothing) {
  open();
  now_ = breaker_.open_until();
  Breaker::Pass lost;
  while (breaker_.admit(now_, lost)) {
  }
  EXPECT_FALSE(breaker_.admits(now_ + 19s));
  now_ += 21s;
  EXPECT_TRUE(breaker_.admits(now_));
  EXPECT_EQ(request(true), Breaker::Change::none);
  EXPECT_EQ(request(true), Breaker::Change::closed);
}

TEST_F(BreakerTest, IsOneForAllWhoMapTheSegment) {
  Breaker other(segment_, 1, rules());
  Breaker stranger(segment_, 2, rules());
  open();
  EXPECT_FALSE(other.admits(now_));
  EXPECT_TRUE(stranger.admits(now_));
  EXPECT_EQ(breaker_state(segment_, 1), BreakerState::open);
}

}  // namespace
}  // namespace banyan::shm
