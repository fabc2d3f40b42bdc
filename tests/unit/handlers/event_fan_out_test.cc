// Rounds of events, from the log to the listeners of one worker.
#include "handlers/event_dispatch/fan_out.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "support/event_region.h"
#include "support/fake_call.h"

namespace banyan::handlers {
namespace {

struct FanOutTest : ::testing::Test, FanOut::Owner, EventListener {
  event::Loop loop;
  testing::EventRegion region{{.ring_bytes = 1 << 20, .max_channels = 16}};
  shm::EventLog log{region.bytes(), 0, 1}, other{region.bytes(), 1, 1};
  ChannelBook book{log};
  FanOut fan_out{loop, log, book, *this};
  Subscription subscription{.listener = this};
  std::string heard;
  bool listening = true;
  std::vector<TimePoint> delivered;  // when it was published

  void on_delivered(const ChannelRound& round) override { delivered.push_back(round.published); }
  void on_slice_end() override {}
  void on_events(Subscription&, ChannelRound& round) override {
    for (const StoredEvent& event : round.events) heard += event.data;
    round.delivered = listening;
  }
  void on_missed(Subscription&) override { heard += "missed "; }

  void publish(std::string_view channel, std::string_view data, TimePoint when = MonotonicClock::now()) {
    ASSERT_TRUE(other.publish(channel, shm::EventKind::text, data, "", when).ok());
  }
  bool run_until_idle() {
    fan_out.wake();
    return testing::run_until(loop, [&] { return fan_out.has_delivered(log.end()); });
  }
};

TEST_F(FanOutTest, ManyRoundsInARow) {
  ASSERT_TRUE(book.subscribe(subscription, "a").ok());
  for (int i = 0; i < 1000; ++i) publish("a", "x");
  EXPECT_TRUE(run_until_idle());
  EXPECT_EQ(heard, std::string(1000, 'x'));
}

// A channel is forgotten, and its number, with hundreds of its events under way, is another one's now.
TEST_F(FanOutTest, EventsOfAForgottenChannelHideNoOthers) {
  for (int i = 0; i < 15; ++i) ASSERT_TRUE(other.join(fmt::format("{}", i)).ok());
  for (int i = 0; i < 1000; ++i) publish("forgotten", "x");
  ASSERT_TRUE(book.subscribe(subscription, "new").ok());
  ASSERT_FALSE(log.find("forgotten")->has_value());
  publish("new", "heard");
  EXPECT_TRUE(run_until_idle());
  EXPECT_EQ(heard, "heard");
}

// Nobody rings a worker without subscribers, so it has not looked at them when the first one comes.
TEST_F(FanOutTest, WhatCameBeforeTheFirstSubscriberIsNotForIt) {
  const TimePoint now = MonotonicClock::now();
  for (int i = 0; i < 3; ++i) publish("a", "old", now - std::chrono::seconds(10));
  ASSERT_TRUE(book.subscribe(subscription, "a").ok());
  publish("a", "new", now);
  EXPECT_TRUE(run_until_idle());
  EXPECT_EQ(heard, "new");
  EXPECT_EQ(delivered, std::vector{now});
}

// All of them are behind, and get it by replays.
TEST_F(FanOutTest, WhatNobodyTakesIsNotDelivered) {
  listening = false;
  ASSERT_TRUE(book.subscribe(subscription, "a").ok());
  publish("a", "x");
  EXPECT_TRUE(run_until_idle());
  EXPECT_EQ(heard, "x");
  EXPECT_TRUE(delivered.empty());
}

}  // namespace
}  // namespace banyan::handlers
