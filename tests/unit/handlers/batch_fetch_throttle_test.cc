#include "handlers/batch_fetch/throttle.h"

#include <gtest/gtest.h>

namespace banyan::handlers {
namespace {

using namespace std::chrono_literals;

struct ThrottleTest : testing::Test {
  // The store answers well, and as much is asked of it as is allowed.
  void answer(Duration span, Duration taken = 4ms) {
    for (const TimePoint end = now + span; now < end; now += 1ms) {
      throttle.note_answer(taken, throttle.limit(), now);
    }
  }
  void complain(Duration span) {
    for (const TimePoint end = now + span; now < end; now += 1ms) throttle.note_overload(now);
  }
  TimePoint now{1h};
  Throttle throttle{256};
};

TEST_F(ThrottleTest, ComplaintsCutAndABurstIsForgottenSoon) {
  answer(1s);
  EXPECT_EQ(throttle.limit(), 256u);
  complain(200ms);
  EXPECT_LT(throttle.limit(), 180u);
  EXPECT_GE(throttle.limit(), 32u);
  answer(600ms);
  EXPECT_EQ(throttle.limit(), 256u);
}

TEST_F(ThrottleTest, SlowAnswersMeanFewer) {
  answer(1s);
  answer(1s, 40ms);
  EXPECT_LT(throttle.limit(), 128u);
  answer(20s, 4ms);
  EXPECT_EQ(throttle.limit(), 256u);
}

}  // namespace
}  // namespace banyan::handlers
