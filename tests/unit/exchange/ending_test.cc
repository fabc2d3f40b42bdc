#include "exchange/ending.h"

#include <gtest/gtest.h>

namespace banyan::exchange {
namespace {

using http::StreamEnd;
using shm::Ending;
using shm::Reason;
using shm::Side;

class ComparedSideTest : public testing::Test {
 protected:
  ComparedSideTest() {
    decision_.rollout = &target_;
    decision_.endpoint = &target_.native;
    decision_.rolled.bucket_used = true;
    decision_.side = Side::native;
    decision_.reason = Reason::cookie;
  }
  lua::Outcome& script() {
    decision_.script = std::make_unique<lua::CallResult>();
    return decision_.script->outcome;
  }

  route::RolloutTarget target_;
  route::Decision decision_;
};

TEST_F(ComparedSideTest, IsTheOneTheBucketChose) {
  EXPECT_EQ(compared_side(decision_).side, Side::native);
  EXPECT_FALSE(compared_side(decision_).diverted);
  decision_.side = Side::legacy;
  EXPECT_EQ(compared_side(decision_).side, Side::legacy);
}

TEST_F(ComparedSideTest, IsNoneForThoseWhoWereNotDrawn) {
  decision_.rolled.bucket_used = false;  // forced, or a script's side
  EXPECT_EQ(compared_side(decision_).side, Side::none);
  decision_.rolled.bucket_used = true;
  script().percent = 50;
  EXPECT_EQ(compared_side(decision_).side, Side::none);
  script().percent.reset();
  script().key = "tenant-7";
  EXPECT_EQ(compared_side(decision_).side, Side::native) << "another key draws as well";
  decision_.endpoint = nullptr;
  EXPECT_EQ(compared_side(decision_).side, Side::none) << "answered without a target";
  EXPECT_EQ(compared_side(route::Decision()).side, Side::none);
}

TEST_F(ComparedSideTest, WhatADownNativeCouldNotTakeIsNotLegacys) {
  decision_.side = Side::legacy;
  decision_.reason = Reason::health;
  const Compared compared = compared_side(decision_);
  EXPECT_EQ(compared.side, Side::native);
  EXPECT_TRUE(compared.diverted);
}

TEST(Ending, IsTheSidesErrorOnlyWhenTheSideErred) {
  const Error refused = upstream_error(502, "connection_refused", "refused");
  const Error slow = upstream_error(504, "http_response_timeout", "too slow");
  const Error clients = client_error(413, "too large");
  EXPECT_EQ(ending_of({StreamEnd::complete, 200}), Ending::answered);
  EXPECT_EQ(ending_of({StreamEnd::complete, 404}), Ending::answered);
  EXPECT_EQ(ending_of({StreamEnd::complete, 413, &clients}), Ending::answered);
  EXPECT_EQ(ending_of({StreamEnd::complete, 500}), Ending::server_error);
  EXPECT_EQ(ending_of({StreamEnd::complete, 504}), Ending::server_error) << "the target's own 504";
  EXPECT_EQ(ending_of({StreamEnd::complete, 502, &refused}), Ending::failed);
  EXPECT_EQ(ending_of({StreamEnd::complete, 504, &slow}), Ending::timeout);
  EXPECT_EQ(ending_of({StreamEnd::broken_off, 200, &refused}), Ending::failed);
  EXPECT_EQ(ending_of({StreamEnd::broken_off, 200}), Ending::failed);
  EXPECT_EQ(ending_of({StreamEnd::broken_off, 200, &clients}), Ending::client_gone);
  EXPECT_EQ(ending_of({StreamEnd::client_gone, 0}), Ending::client_gone);
  EXPECT_EQ(ending_of({StreamEnd::client_slow, 200}), Ending::client_gone);
  EXPECT_EQ(ending_of({StreamEnd::client_gone, 503}), Ending::server_error) << "it left after the failure";
  EXPECT_EQ(ending_of({StreamEnd::complete, 200, nullptr, true}), Ending::fallback);
  EXPECT_EQ(ending_of({StreamEnd::client_gone, 0, nullptr, true}), Ending::fallback);
  EXPECT_EQ(ending_of({StreamEnd::shutdown, 200}), std::nullopt);
}

TEST(Ending, OfTunnelsAndEventStreamsIsTheirBeginning) {
  http::ResponseHead head;
  EXPECT_FALSE(is_endless(head));
  head.fields.add("Content-Type", "text/event-stream; charset=utf-8");
  EXPECT_TRUE(is_endless(head));
  head.fields.clear();
  head.fields.add("Content-Type", "Text/Event-Stream");
  EXPECT_TRUE(is_endless(head));
  head.fields.clear();
  head.status = 101;
  EXPECT_TRUE(is_endless(head));
}

}  // namespace
}  // namespace banyan::exchange
