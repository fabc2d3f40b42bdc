// What keeps one client from being a burden to others: queues, rates, pings; and how all of them are sent
// away.
#include <gmock/gmock.h>
#include <sys/ioctl.h>

#include "unit/handlers/event_fixture.h"

namespace banyan::handlers {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class EventQueueTest : public EventDispatchTest {
 protected:
  // More than the kernel takes for a reader that stalls.
  void publish_much(int events, size_t size = 4000) {
    for (int i = 1; i <= events; ++i) {
      publish("x", fmt::format("event {};{}", i, std::string(size, '.')));
      turns(1);
    }
  }
};

TEST_F(EventQueueTest, WhoDoesNotReadIsClosed) {
  make("queue = { bytes = \"128k\" }");
  auto stalled = join(websocket("x"));
  auto reader = join(websocket("x"));
  for (int i = 0; i < 100; ++i) {
    publish_much(1);
    reader->heard();
  }
  ASSERT_TRUE(reader->wait_for_messages(100));
  EXPECT_EQ(metric(shm::Metric::events_closed, shm::EventClose::queue_full), 1u);
  EXPECT_GT(metric(shm::Metric::events_dropped, shm::EventDrop::queue_full), 30u);
  // What it gets until then is whole, and the reason.
  EXPECT_EQ(stalled->close_code(), 1013);
  EXPECT_THAT(stalled->messages()[0], HasSubstr("event 1;"));
  stalled->hang_up();
  ASSERT_TRUE(testing::run_until(worker_.loop, [&] { return alive_ == 1; }));
  turns(150);  // a tick of the wheel later
  EXPECT_EQ(metric(shm::Metric::events_queue_bytes), 0u);
}

// What the kernel keeps for readers that stall, which it has little memory for.
class EventBufferTest : public EventQueueTest {
 protected:
  static size_t unread(const EventClient& client) {
    int bytes = 0;
    EXPECT_EQ(ioctl(client.fd(), FIONREAD, &bytes), 0);
    return static_cast<size_t>(bytes);
  }
};

TEST_F(EventBufferTest, ManySmallEventsLeaveItSmall) {
  make("queue = { bytes = \"4m\", messages = 10000 }");
  auto socket = join(websocket("x"));
  auto source = join(stream("x"));
  publish_much(100);
  ASSERT_GT(metric(shm::Metric::events_queue_bytes), 200'000u);
  EXPECT_LT(unread(*socket), 64'000u);
  EXPECT_LT(unread(*source), 64'000u);
}

TEST_F(EventBufferTest, ALargeEventMakesRoomForItself) {
  make("max_message = \"1m\"");
  auto socket = join(websocket("x"));
  auto source = join(stream("x"));
  publish("x", std::string(100'000, 'x'));
  for (EventClient* client : {socket.get(), source.get()}) {
    EXPECT_TRUE(testing::run_until(worker_.loop, [&] { return unread(*client) >= 100'000; }));
  }
}

TEST_F(EventBufferTest, ALargeEventBehindSmallOnesToo) {
  make("max_message = \"1m\"");
  auto client = join(websocket("x"));
  publish_much(20);
  ASSERT_LT(unread(*client), 64'000u);
  publish("x", std::string(200'000, 'x'));
  ASSERT_TRUE(client->wait_for_messages(20));
  EXPECT_TRUE(testing::run_until(worker_.loop, [&] { return unread(*client) >= 100'000; }));
  EXPECT_TRUE(client->wait_for_messages(21));
}

TEST_F(EventQueueTest, TheOldestAreLeftOutAndThatIsSaid) {
  make("queue = { messages = 10, when_full = \"drop_oldest\" }");
  auto envelopes = join(websocket("x", {}, "banyan.v1"));
  auto events = join(stream("x"));
  publish_much(200);
  ASSERT_TRUE(envelopes->wait_for("event 200;"));
  ASSERT_TRUE(events->wait_for("event 200;"));
  const auto messages = envelopes->messages();
  uint64_t announced = 0, events_got = 0, last = 0;
  for (const std::string& message : messages) {
    if (message.find("\"type\":\"dropped\"") != std::string::npos) {
      announced += std::stoull(message.substr(message.find("count\":") + 7));
    } else if (const size_t place = message.find("event "); place != std::string::npos) {
      const uint64_t number = std::stoull(message.substr(place + 6));
      EXPECT_GT(number, last);
      last = number;
      ++events_got;
    }
  }
  EXPECT_GT(announced, 0u);
  EXPECT_EQ(announced + events_got, 200u);
  EXPECT_THAT(events->heard(), HasSubstr("event: dropped\ndata: {\"count\":"));
  EXPECT_EQ(alive_, 2);
}

TEST_F(EventQueueTest, OneMemoryForAllWhoWait) {
  make("queue = { total = \"1m\", bytes = \"10m\", messages = 100000 }\nmemory = \"64m\"");
  std::vector<std::unique_ptr<EventClient>> stalled;
  for (int i = 0; i < 20; ++i) stalled.push_back(join(websocket("x")));
  publish_much(200);
  // Twenty times 800 KB wait, but they are the same 800 KB.
  EXPECT_EQ(metric(shm::Metric::events_closed, shm::EventClose::queue_full), 0u);
  publish_much(100);
  EXPECT_EQ(metric(shm::Metric::events_closed, shm::EventClose::queue_full), 20u);
}

TEST_F(EventQueueTest, AReplayGoesAtThePaceOfTheReader) {
  make("memory = \"16m\"\nqueue = { bytes = \"64k\", messages = 10 }");
  const shm::EventId first = publish("x", "event 0;");
  publish_much(290);
  auto client = join(websocket("x", "since=" + shm::to_text(first)));
  ASSERT_TRUE(client->wait_for_messages(290));
  publish("x", "live");
  ASSERT_TRUE(client->wait_for_messages(291));
  const auto messages = client->messages();
  for (int i = 1; i <= 290; ++i) EXPECT_THAT(messages[i - 1], HasSubstr(fmt::format("event {};", i)));
  EXPECT_EQ(messages[290], "live");
}

// What is live while the last of a replay waits is not too much for the queue.
TEST_F(EventQueueTest, AReplayThatWaitsLeavesRoomForWhatComes) {
  make("memory = \"16m\"\nqueue = { bytes = \"64k\", messages = 10 }");
  publish_much(40, 1500);
  auto client = join(websocket("x", "since=first"));
  publish_much(20, 1500);
  EXPECT_EQ(metric(shm::Metric::events_closed, shm::EventClose::queue_full), 0u);
  ASSERT_TRUE(client->wait_for_messages(60));
  publish("x", "live");
  ASSERT_TRUE(client->wait_for_messages(61));
  EXPECT_EQ(client->messages()[60], "live");
}

// An envelope may be six times as long as its event. No answer to a ping is the drop too much.
TEST_F(EventQueueTest, AReplayThatBecomesLongerLeavesRoomToo) {
  make("memory = \"16m\"\nqueue = { bytes = \"64k\" }");
  for (int i = 0; i < 60; ++i) publish("x", std::string(4000, '\x01'));
  auto client = join(websocket("x", "since=first", "banyan.v1"));
  turns(5);
  client->say(R"({"type":"ping"})");
  turns(5);
  EXPECT_EQ(metric(shm::Metric::events_closed, shm::EventClose::queue_full), 0u);
  ASSERT_TRUE(client->wait_for_messages(62));
}

// Those who come back at once and do not read have no more memory than others.
TEST_F(EventQueueTest, ReplaysWaitForMemory) {
  make("memory = \"16m\"\nqueue = { total = \"1m\" }");
  publish_much(60);
  std::vector<std::unique_ptr<EventClient>> clients;
  for (int i = 0; i < 30; ++i) clients.push_back(join(websocket("x", "since=first")));
  turns(150);  // a tick of the wheel, which says how much there is
  EXPECT_GT(metric(shm::Metric::events_queue_bytes), 1u << 20);
  EXPECT_LT(metric(shm::Metric::events_queue_bytes), (1u << 20) + 150'000);
  for (auto& client : clients) ASSERT_TRUE(client->wait_for_messages(60));
  EXPECT_EQ(metric(shm::Metric::events_closed, shm::EventClose::queue_full), 0u);
}

TEST_F(EventQueueTest, AnEventStreamThatTakesNothingIsGivenUp) {
  make("ping = \"1s\"\npong = \"1s\"\nqueue = { bytes = \"10m\", messages = 10000 }");
  auto stalled = join(stream("x"));
  auto reader = join(stream("x"));
  publish_much(100);
  ASSERT_TRUE(testing::run_until(worker_.loop, [&] {
    reader->heard();
    return metric(shm::Metric::events_closed, shm::EventClose::no_pong) == 1;
  }));
  EXPECT_FALSE(reader->ended());
  EXPECT_EQ(alive_, 1);
}

TEST_F(EventQueueTest, AGoodbyeIsAnsweredHoweverMuchIsPublished) {
  make("memory = \"64m\"\nqueue = { bytes = \"64m\", messages = 1000000 }");
  auto client = join(websocket("x"));
  client->send(support::client_frame({http::WsOpcode::close}, "\x03\xe8"));
  const auto closed = [&] { return metric(shm::Metric::events_closed, shm::EventClose::client); };
  for (int turn = 0; turn < 100 && closed() == 0; ++turn) {
    for (int i = 0; i < 500; ++i) publish("x", "hello");
    turns(1);
    client->heard();
  }
  EXPECT_EQ(closed(), 1u);
}

TEST_F(EventDispatchTest, WhoSendsTooFastIsClosedAfterAWarning) {
  make("receive_rate = \"10/h\"");
  auto client = join(websocket("x"));
  const auto ping = [&](int times) {
    for (int i = 0; i < times; ++i) client->send(support::client_frame({http::WsOpcode::ping}, "x"));
  };
  ping(5);
  ASSERT_TRUE(testing::run_until(worker_.loop, [&] { return client->frames().size() == 5; }));
  EXPECT_EQ(metric(shm::Metric::events_too_fast), 0u);
  ping(1);
  ASSERT_TRUE(testing::run_until(worker_.loop, [&] { return client->frames().size() == 6; }));
  EXPECT_EQ(metric(shm::Metric::events_too_fast), 1u);
  ping(5);
  EXPECT_EQ(client->close_code(), 1008);
}

TEST_F(EventDispatchTest, TheSilentAreAskedAndTheDeadGivenUp) {
  make("ping = \"1s\"\npong = \"1s\"");
  auto deaf = join(websocket("x"));
  auto alive = join(websocket("x"));
  auto events = join(stream("x"));
  ASSERT_TRUE(testing::run_until(worker_.loop, [&] {
    for (const Heard& one : alive->frames()) {
      if (one.opcode == http::WsOpcode::ping) alive->send(support::client_frame({http::WsOpcode::pong}, {}));
    }
    alive->forget();
    return deaf->ended();
  }));
  EXPECT_FALSE(alive->ended());
  EXPECT_EQ(metric(shm::Metric::events_closed, shm::EventClose::no_pong), 1u);
  EXPECT_TRUE(events->wait_for("\n\n:\n\n"));
}

TEST_F(EventDispatchTest, WhoIsMovedIsToldToComeBack) {
  make();
  auto socket = join(websocket("x"));
  auto events = join(stream("x"));
  socket->move();
  EXPECT_EQ(socket->close_code(), 1012);
  events->forget();
  events->move();
  ASSERT_TRUE(events->wait_for_end());
  EXPECT_THAT(events->heard(), HasSubstr("retry: "));
}

TEST_F(EventDispatchTest, ADrainSendsAllAwaySpreadOverItsTime) {
  make();
  std::vector<std::unique_ptr<EventClient>> clients;
  for (int i = 0; i < 40; ++i) clients.push_back(join(i % 2 ? websocket("x") : stream("x")));
  made_.handler->drain(std::chrono::milliseconds(1200));
  turns(5);
  EXPECT_GT(alive_, 20);  // not all at once
  for (auto& client : clients) {
    ASSERT_TRUE(testing::run_until(
        worker_.loop, [&] { return client->ended() || client->heard().find("\x88") != std::string::npos; }));
    client->hang_up();
  }
  ASSERT_TRUE(testing::run_until(worker_.loop, [&] { return alive_ == 0; }));
  EXPECT_EQ(metric(shm::Metric::events_closed, shm::EventClose::drain), 40u);
}

TEST_F(EventDispatchTest, AReloadKeepsConnectionsAndAppliesItsLimits) {
  make("max_message = \"1k\"");
  auto client = join(websocket("x", {}, "banyan.v1"));
  testing::MadeHandler former = std::move(made_);
  make("max_message = \"2k\"\nmax_connections = 1");
  made_.handler->succeed(*former.handler);
  former = {};
  publish("x", "after the reload");
  ASSERT_TRUE(client->wait_for("after the reload"));
  client->say(fmt::format(R"({{"type":"ping","id":"{}"}})", std::string(1500, 'x')));
  ASSERT_TRUE(client->wait_for("pong"));
  EXPECT_EQ(join(stream("x"))->call().status(), 503);
  EXPECT_EQ(alive_, 1);
}

TEST_F(EventDispatchTest, ALogOfAnotherSizeMeansComingBack) {
  make();
  auto client = join(websocket("x"));
  testing::MadeHandler former = std::move(made_);
  make("memory = \"64m\"");
  made_.handler->succeed(*former.handler);
  former = {};
  // The next reload comes before they have been told to come back.
  former = std::move(made_);
  make("memory = \"64m\"\nmax_message = \"1k\"");
  made_.handler->succeed(*former.handler);
  former = {};
  EXPECT_EQ(client->close_code(), 1012);
}

TEST_F(EventDispatchTest, WhoIsCutOffWithTheHubIsCounted) {
  make();
  auto socket = join(websocket("x"));
  auto events = join(stream("x"));
  made_ = {};
  EXPECT_TRUE(socket->ended());
  EXPECT_EQ(metric(shm::Metric::events_closed, shm::EventClose::drain), 2u);
  EXPECT_EQ(metric(shm::Metric::events_connections, shm::EventTransport::websocket), 0u);
  EXPECT_EQ(metric(shm::Metric::events_connections, shm::EventTransport::sse), 0u);
}

}  // namespace
}  // namespace banyan::handlers
