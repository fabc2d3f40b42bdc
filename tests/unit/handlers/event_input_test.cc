// What clients send at awkward moments, and what they do not read.
#include <gmock/gmock.h>
#include <sys/ioctl.h>

#include "unit/handlers/event_fixture.h"

namespace banyan::handlers {
namespace {

using ::testing::HasSubstr;

const std::string kGoodbye = support::client_frame({http::WsOpcode::close}, "\x03\xe8");

// What the worker reads at once of one connection, and how often in one turn.
constexpr size_t kBlock = 16 * 1024, kBlocks = 8;

TEST_F(EventDispatchTest, AGoodbyeInTheLastBlockOfATurnEndsTheConnectionOnce) {
  make();
  auto client = join(websocket("x"));
  client->move();
  EXPECT_EQ(client->close_code(), 1012);
  std::string much;
  while (much.size() < kBlock * (kBlocks - 1)) much += support::client_frame({}, std::string(1000, 'x'));
  much += kGoodbye;
  ASSERT_LT(much.size(), kBlock * kBlocks);
  much.resize(kBlock * kBlocks + 1);
  const int size = 1 << 20;
  setsockopt(client->fd(), SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
  client->send(much);
  EXPECT_TRUE(client->wait_for_end());
  client->hang_up();
  EXPECT_TRUE(testing::run_until(worker_.loop, [&] { return alive_ == 0; }));
  EXPECT_EQ(metric(shm::Metric::events_connections, shm::EventTransport::websocket), 0u);
}

TEST_F(EventDispatchTest, WhoIsGoneBeforeItsWelcomeIsNotReadAnyMore) {
  make();
  EventClient client(worker_.loop);
  client.ask(*made_.handler, websocket("x", {}, "banyan.v1"));
  // In a turn of the loop, as it comes in life: at its end the connection is buried.
  struct Handing {
    EventClient& client;
    int& alive;
    void run() { client.hand_over(alive, kGoodbye, true); }
  } handing{client, alive_};
  event::Deferred notice(worker_.loop, Callback::to<&Handing::run>(&handing));
  notice.schedule();
  turns(3);
  EXPECT_EQ(alive_, 0);
  EXPECT_EQ(metric(shm::Metric::events_closed, shm::EventClose::client), 1u);
}

TEST_F(EventDispatchTest, AnswersThatNobodyReadsAreLimitedToo) {
  make("queue = { bytes = \"128k\" }\nreceive_rate = \"off\"");
  for (const std::string command : {"ping", "nonsense"}) {
    auto client = join(websocket("x", {}, "banyan.v1"));
    const std::string frame = support::client_frame(
        {}, fmt::format(R"({{"type":"{}","id":"{}"}})", command, std::string(60'000, 'x')));
    const uint64_t before = metric(shm::Metric::events_closed, shm::EventClose::queue_full);
    const auto closed = [&] { return metric(shm::Metric::events_closed, shm::EventClose::queue_full); };
    for (int i = 0; i < 20 && closed() == before; ++i) {
      client->send(frame);
      turns(5);
    }
    EXPECT_EQ(closed(), before + 1) << command;
    EXPECT_EQ(client->close_code(), 1013);
  }
}

// RFC 6455 section 5.5.1. Bytes that nobody has read would make a reset of the close.
TEST_F(EventDispatchTest, WhatComesAfterAGoodbyeIsThrownAway) {
  make("websocket_publish = true");
  auto client = join(websocket("x"));
  const std::string nonsense = "\xff\xff" + std::string(kBlock * kBlocks + kBlock, 'x');
  const int size = 1 << 20;
  setsockopt(client->fd(), SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
  client->send(kGoodbye + kGoodbye + support::client_frame({}, "too late") + nonsense);
  EXPECT_EQ(client->close_code(), 1000);
  EXPECT_EQ(client->frames().size(), 1u);
  EXPECT_TRUE(client->wait_for_end());
  EXPECT_EQ(log_->find("x").value()->last.offset, 0u);
  // It is still read from, until it goes.
  client->send(nonsense);
  turns(20);
  EXPECT_EQ(alive_, 1);
  int unread = -1;
  ASSERT_EQ(ioctl(client->fd(), TIOCOUTQ, &unread), 0);
  EXPECT_EQ(unread, 0);
  client->hang_up();
  EXPECT_TRUE(testing::run_until(worker_.loop, [&] { return alive_ == 0; }));
}

TEST_F(EventDispatchTest, WhoBreaksTheRulesGetsWhatItPublishedBefore) {
  make("websocket_publish = true");
  auto client = join(websocket("x"));
  client->send(support::client_frame({}, "the last") + support::client_frame({http::WsOpcode(3)}, ""));
  EXPECT_EQ(client->close_code(), 1002);
  EXPECT_EQ(client->messages(), std::vector<std::string>{"the last"});
}

TEST_F(EventDispatchTest, AfterAGoodbyeWithNothingBehindItTheConnectionIsClosedAtOnce) {
  make();
  auto client = join(websocket("x"));
  client->send(kGoodbye);
  EXPECT_EQ(client->close_code(), 1000);
  EXPECT_TRUE(testing::run_until(worker_.loop, [&] { return alive_ == 0; }));
}

// A client that is sent away in the middle of what it sends: the rest is read in step, up to its goodbye.
TEST_F(EventDispatchTest, WhatComesAfterAFullQueueIsReadInStep) {
  make("queue = { bytes = \"64k\" }\nreceive_rate = \"off\"");
  auto client = join(websocket("x", {}, "banyan.v1"));
  const auto ping = [](size_t size) {
    return support::client_frame({}, fmt::format(R"({{"type":"ping","id":"{}"}})", std::string(size, 'x')));
  };
  // The last two of these no longer fit, and are in one block with what follows.
  for (int i = 0; i < 5; ++i) {
    client->send(ping(12'000));
    turns(3);
  }
  ASSERT_EQ(metric(shm::Metric::events_closed, shm::EventClose::queue_full), 0u);
  std::string last;
  for (int i = 0; i < 12; ++i) last += ping(12'000);
  client->send(last + kGoodbye);
  turns(5);
  ASSERT_EQ(metric(shm::Metric::events_closed, shm::EventClose::queue_full), 1u);
  const TimePoint begun = MonotonicClock::now();
  ASSERT_TRUE(client->wait_for_end());
  EXPECT_LT(MonotonicClock::now() - begun, std::chrono::seconds(4));  // less than its grace
  EXPECT_EQ(client->close_code(), 1013);
}

}  // namespace
}  // namespace banyan::handlers
