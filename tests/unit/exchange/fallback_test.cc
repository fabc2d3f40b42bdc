#include "exchange/fallback.h"

#include <gtest/gtest.h>

namespace banyan::exchange {
namespace {

class MayFallBackTest : public testing::Test {
 protected:
  MayFallBackTest() {
    target_.plan.fallback = true;
    decision_.rollout = &target_;
    decision_.side = shm::Side::native;
    request_.method = http::Method::get;
  }
  bool may() const {
    return may_fall_back({decision_, request_, retry_, in_time_, body_kept_, nothing_sent_});
  }

  route::RolloutTarget target_;
  route::Decision decision_;
  http::RequestHead request_;
  config::Route::Retry retry_ = config::Route::Retry::idempotent;
  bool in_time_ = true;
  bool body_kept_ = true;
  bool nothing_sent_ = false;
};

TEST_F(MayFallBackTest, OnlyFromNativeOfARolloutThatWantsIt) {
  EXPECT_TRUE(may());
  target_.plan.fallback = false;
  EXPECT_FALSE(may());
  target_.plan.fallback = true;
  decision_.side = shm::Side::legacy;
  EXPECT_FALSE(may());
  decision_.side = shm::Side::native;
  decision_.rollout = nullptr;
  EXPECT_FALSE(may());
}

TEST_F(MayFallBackTest, OnlyWhatMayBeExecutedTwice) {
  request_.method = http::Method::post;
  EXPECT_FALSE(may());
  nothing_sent_ = true;
  EXPECT_TRUE(may());
  nothing_sent_ = false;
  retry_ = config::Route::Retry::always;
  EXPECT_TRUE(may());
}

TEST_F(MayFallBackTest, OnlyWhatCanStillBeSentAsItWas) {
  body_kept_ = false;
  EXPECT_FALSE(may());
  body_kept_ = true;
  in_time_ = false;
  EXPECT_FALSE(may());
  in_time_ = true;
  request_.upgrade = "websocket";
  EXPECT_FALSE(may());
}

TEST(FallbackReason, IsCountedByKind) {
  using shm::FallbackReason;
  EXPECT_EQ(fallback_reason(upstream_error(504, "http_response_timeout", "slow")), FallbackReason::timeout);
  EXPECT_EQ(fallback_reason(upstream_error(503, "destination_unavailable", "down")),
            FallbackReason::unavailable);
  EXPECT_EQ(fallback_reason(upstream_error(502, "http_response_incomplete", "cut")), FallbackReason::error);
}

}  // namespace
}  // namespace banyan::exchange
