#include <gmock/gmock.h>

#include "handlers/event_dispatch/options.h"
#include "unit/handlers/event_fixture.h"

namespace banyan::handlers {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// ---------------------------------------------------------------- which request is what

TEST_F(EventDispatchTest, RefusesWhatItDoesNotServe) {
  make("max_subscriptions = 2");
  struct Case {
    testing::FakeRequest request;
    int status;
    std::string part;
  };
  const auto request = [](std::string method, std::string path, std::string query = {}) {
    return testing::FakeRequest{
        .method = method, .path = "/live/" + path, .mount = "/live/", .query = std::move(query)};
  };
  std::vector<Case> cases = {
      {request("GET", "x"), 426, "WebSocket"},
      {request("DELETE", "x"), 405, "use"},
      {request("HEAD", "x"), 405, ""},
      {stream(""), 400, "no channel"},
      {stream("a%0a"), 400, "control characters"},
      {stream("a", "channel=b&channel=c"), 400, "too many"},
      {stream("a", "since=x"), 400, "since"},
      {websocket("a"), 426, "version 13"},
      {websocket("a"), 400, "Sec-WebSocket-Key"},
  };
  cases[7].request.fields[0].second = "8";
  cases[8].request.fields[1].second = "short";
  for (Case& one : cases) {
    testing::FakeCall call(worker_.loop, one.request);
    call.open(*made_.handler);
    ASSERT_TRUE(call.run());
    EXPECT_EQ(call.status(), one.status) << one.request.path;
    EXPECT_THAT(call.body(), HasSubstr(one.part));
    EXPECT_EQ(call.field("Sec-WebSocket-Version"), one.status == 426 ? "13" : "");
    EXPECT_EQ(call.field("Allow").empty(), one.status != 405);
  }
}

// RFC 9110 section 12.4.2: a weight of zero means "not acceptable".
TEST_F(EventDispatchTest, AnEventStreamThatIsNotWanted) {
  make();
  const std::pair<std::string, int> cases[] = {{"text/event-stream;q=0", 426},
                                               {"text/event-stream ; Q=0.000", 426},
                                               {"text/html, text/event-stream; q=0.001", 200},
                                               {"Text/Event-Stream;charset=utf-8", 200}};
  for (const auto& [accept, status] : cases) {
    auto request = stream("x");
    request.fields[0].second = accept;
    testing::FakeCall call(worker_.loop, request);
    call.open(*made_.handler);
    EXPECT_EQ(call.status(), status) << accept;
  }
}

TEST_F(EventDispatchTest, MethodsOfThePages) {
  make();
  publish("x", "event");
  for (std::string path : {"_channels", "_channels/x"}) {
    const auto answer_to = [&](std::string method) {
      auto call = std::make_unique<testing::FakeCall>(
          worker_.loop,
          testing::FakeRequest{.method = std::move(method), .path = "/live/" + path, .mount = "/live/"});
      call->open(*made_.handler);
      EXPECT_TRUE(call->run());
      return call;
    };
    EXPECT_THAT(answer_to("GET")->body(), HasSubstr("\"x\""));
    EXPECT_EQ(answer_to("HEAD")->status(), 200);
    EXPECT_EQ(answer_to("HEAD")->body(), "");
    EXPECT_EQ(answer_to("POST")->status(), 405);
    EXPECT_EQ(answer_to("POST")->field("Allow"), "GET, HEAD, OPTIONS");
    EXPECT_EQ(answer_to("OPTIONS")->status(), 204);
    EXPECT_EQ(answer_to("OPTIONS")->field("Allow"), "GET, HEAD, OPTIONS");
  }
}

TEST_F(EventDispatchTest, OptionsAreChecked) {
  const auto problem = [&](std::string_view keys) {
    return worker_.make(all_handlers(), fmt::format("type = \"event_dispatch\"\n{}", keys)).problem;
  };
  EXPECT_THAT(problem("memory = \"64k\"\nmax_message = \"64k\""),
              HasSubstr("max_message: must not be more than a sixteenth"));
  EXPECT_THAT(problem("max_message = \"64k\"\nqueue = { bytes = \"8k\" }"),
              HasSubstr("queue: bytes must not be less than max_message"));
  EXPECT_THAT(problem("queue = { when_full = \"drop_newest\" }"), HasSubstr("drop_oldest"));
}

TEST_F(EventDispatchTest, DefaultsGiveWayToWhatIsSaid) {
  const auto options = [&](std::string_view keys) {
    const testing::MadeHandler made =
        worker_.make(all_handlers(), fmt::format("type = \"event_dispatch\"\n{}", keys));
    EXPECT_EQ(made.problem, "");
    return made.config->handlers.front().options.as<EventDispatchOptions>();
  };
  EXPECT_EQ(options("memory = \"64k\"").max_message, 4096u);
  EXPECT_EQ(options("queue = { bytes = \"8k\" }").max_message, 8192u);
  EXPECT_EQ(options("max_message = \"1m\"").queue.bytes, 1u << 20);
  EXPECT_EQ(options("max_message = \"16m\"").memory, 256u << 20);
}

TEST_F(EventDispatchTest, NoMoreConnectionsThanThereMayBe) {
  make("max_connections = 1");
  auto first = join(stream("x"));
  EXPECT_EQ(alive_, 1);
  auto second = join(stream("x"));
  EXPECT_EQ(second->call().status(), 503);
  first->hang_up();
  ASSERT_TRUE(testing::run_until(worker_.loop, [&] { return alive_ == 0; }));
  auto third = join(stream("x"));
  EXPECT_EQ(alive_, 1);
}

// ---------------------------------------------------------------- WebSockets

TEST_F(EventDispatchTest, AWebSocketGetsWhatIsPublished) {
  make();
  auto client = join(websocket("x"));
  EXPECT_EQ(client->call().status(), 101);
  EXPECT_EQ(client->call().field("Sec-WebSocket-Accept"), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
  publish("x", "one");
  publish("other", "not mine");
  publish("x", "\xff", shm::EventKind::binary);
  ASSERT_TRUE(client->wait_for_messages(2));
  EXPECT_THAT(client->messages(), ElementsAre("one", "\xff"));
  EXPECT_EQ(client->frames()[0].opcode, http::WsOpcode::text);
  EXPECT_EQ(client->frames()[1].opcode, http::WsOpcode::binary);
}

TEST_F(EventDispatchTest, WhatIsPublishedBeforeTheConnectionIsHandedOverIsNotLost) {
  make();
  testing::FakeCall call(worker_.loop, websocket("x"));
  call.open(*made_.handler);
  publish("x", "early");
  turns(3);
  int ends[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
  struct Nobody final : net::Stream::Listener {
    void on_readable() override {}
    void on_writable() override {}
  } nobody;
  handler::Connection connection{
      net::make_plain_stream(worker_.loop, ends[1]), {}, std::make_unique<FakeTenure>(alive_, nullptr)};
  ASSERT_TRUE(connection.stream->start(nobody));
  call.taker()->take(std::move(connection));
  call.hang_up();
  publish("x", "late");
  std::string got;
  ASSERT_TRUE(testing::run_until(worker_.loop, [&] {
    char space[100];
    const ssize_t count = recv(ends[0], space, sizeof space, MSG_DONTWAIT);
    if (count > 0) got.append(space, static_cast<size_t>(count));
    return got.size() >= 13;
  }));
  EXPECT_EQ(got,
            "\x81\x05"
            "early"
            "\x81\x04"
            "late");
  close(ends[0]);
}

TEST_F(EventDispatchTest, AnswersPingsAndCloses) {
  make();
  auto client = join(websocket("x"), support::client_frame({http::WsOpcode::ping}, "early"));
  client->send(support::client_frame({http::WsOpcode::ping}, "hi"));
  ASSERT_TRUE(testing::run_until(worker_.loop, [&] { return client->frames().size() == 2; }));
  EXPECT_EQ(client->frames()[0].payload, "early");
  EXPECT_EQ(client->frames()[1].opcode, http::WsOpcode::pong);
  EXPECT_EQ(client->frames()[1].payload, "hi");
  client->send(support::client_frame({http::WsOpcode::close}, "\x03\xe8"));
  EXPECT_EQ(client->close_code(), 1000);
  ASSERT_TRUE(client->wait_for_end());
  EXPECT_EQ(alive_, 0);
  EXPECT_EQ(log_->find("x")->value().subscribers, 0u);
}

TEST_F(EventDispatchTest, WrongFramesGetTheCodeOfTheRfc) {
  make("max_message = \"1k\"");
  const std::vector<std::pair<std::string, int>> cases = {
      {std::string("\x81\x01x"), 1002},                                                 // not masked
      {support::client_frame({.rsv1 = true}, "x"), 1002},                               // nothing agreed
      {support::client_frame({http::WsOpcode::ping, false}, "x"), 1002},                // fragmented control
      {support::client_frame({}, "\xff"), 1007},                                        // not UTF-8
      {support::client_frame({http::WsOpcode::binary}, std::string(2000, 'x')), 1009},  // too long
      {support::client_frame({}, "hello"), 1008},                                       // it may only listen
  };
  for (const auto& [bytes, code] : cases) {
    auto client = join(websocket("x"));
    client->send(bytes);
    EXPECT_EQ(client->close_code(), code);
    EXPECT_TRUE(client->wait_for_end());
    client->hang_up();
  }
  EXPECT_TRUE(testing::run_until(worker_.loop, [&] { return alive_ == 0; }));
}

TEST_F(EventDispatchTest, EventsAreCompressedForThoseWhoAgreed) {
  make();
  auto request = websocket("x");
  request.fields.emplace_back("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits");
  auto client = join(request);
  EXPECT_THAT(client->call().field("Sec-WebSocket-Extensions"), HasSubstr("permessage-deflate"));
  auto plain = join(websocket("x"));
  publish("x", std::string(1000, 'a'));
  ASSERT_TRUE(client->wait_for_messages(1));
  ASSERT_TRUE(plain->wait_for_messages(1));
  EXPECT_TRUE(client->frames()[0].compressed);
  EXPECT_FALSE(plain->frames()[0].compressed);
  http::WsInflate inflate;
  std::string text;
  ASSERT_EQ(inflate.add(client->messages()[0], 2000, text), http::WsInflate::Outcome::ok);
  ASSERT_EQ(inflate.finish(2000, text), http::WsInflate::Outcome::ok);
  EXPECT_EQ(text, std::string(1000, 'a'));
}

TEST_F(EventDispatchTest, WhatIsSentAgainIsNotCompressedAnew) {
  make();
  publish("x", std::string(1000, 'a'));
  auto request = websocket("x", "since=first");
  request.fields.emplace_back("Sec-WebSocket-Extensions", "permessage-deflate; server_max_window_bits=15");
  auto client = join(request);
  EXPECT_THAT(client->call().field("Sec-WebSocket-Extensions"), HasSubstr("server_max_window_bits=15"));
  ASSERT_TRUE(client->wait_for_messages(1));
  EXPECT_EQ(client->messages()[0], std::string(1000, 'a'));
  publish("x", std::string(1000, 'b'));
  ASSERT_TRUE(client->wait_for_messages(2));
  EXPECT_TRUE(client->frames()[1].compressed);
}

TEST_F(EventDispatchTest, WhoMayPublishHearsItselfEvenIfItClosesAtOnce) {
  make("websocket_publish = true");
  auto client = join(websocket("x"));
  std::string all;
  for (int i = 0; i < 10; ++i) all += support::client_frame({}, fmt::format("event {}", i));
  all += support::client_frame({http::WsOpcode::binary}, "");
  // A message in three pieces with a ping between them.
  all += support::client_frame({http::WsOpcode::text, false}, "in ");
  all += support::client_frame({http::WsOpcode::continuation, false}, "three ");
  all += support::client_frame({http::WsOpcode::ping}, "p");
  all += support::client_frame({http::WsOpcode::continuation}, "pieces");
  all += support::client_frame({http::WsOpcode::close}, "\x0b\xb8why");
  client->send(all);
  EXPECT_EQ(client->close_code(), 3000);
  ASSERT_EQ(client->messages().size(), 12u);
  EXPECT_EQ(client->messages()[9], "event 9");
  EXPECT_EQ(client->messages()[10], "");
  EXPECT_EQ(client->messages()[11], "in three pieces");
  EXPECT_TRUE(client->wait_for_end());
}

TEST_F(EventDispatchTest, MessagesMayComeByteByByte) {
  make("websocket_publish = true");
  auto client = join(websocket("x"));
  const std::string frames =
      support::client_frame({}, "slowly") + support::client_frame({}, std::string(300, 'y'));
  for (char c : frames) {
    client->send({&c, 1});
    turns(1);
  }
  ASSERT_TRUE(client->wait_for_messages(2));
  EXPECT_THAT(client->messages(), ElementsAre("slowly", std::string(300, 'y')));
}

TEST_F(EventDispatchTest, AnUnknownSubprotocolIsAcceptedAsPlain) {
  make();
  auto client = join(websocket("x", {}, "chat, other"));
  EXPECT_EQ(client->call().field("Sec-WebSocket-Protocol"), "chat");
  publish("x", "one");
  ASSERT_TRUE(client->wait_for_messages(1));
  EXPECT_THAT(client->messages(), ElementsAre("one"));
}

// ---------------------------------------------------------------- banyan.v1

TEST_F(EventDispatchTest, ARepeatedCommandIsAnsweredWithTheFirstEvent) {
  make("websocket_publish = true\nmax_message = \"64k\"");
  auto client = join(websocket("x", {}, "banyan.v1"));
  const std::string command = R"({"type":"publish","channel":"y","data":{"b":1, "a":2},"key":"k"})";
  client->say(command);
  client->say(command);
  ASSERT_TRUE(client->wait_for_messages(3));
  const std::string first = client->messages()[1], again = client->messages()[2];
  EXPECT_EQ(again, first.substr(0, first.size() - 1) + ",\"repeated\":true}");
  client->say(R"({"type":"publish","channel":"y"})");
  ASSERT_TRUE(client->wait_for_messages(4));
  EXPECT_EQ(metric(shm::Metric::events_published, shm::PublishResult::repeated), 1u);
  EXPECT_EQ(metric(shm::Metric::events_published, shm::PublishResult::invalid), 1u);
}

TEST_F(EventDispatchTest, PublishingThatIsNotAllowedIsCounted) {
  make();
  auto client = join(websocket("x", {}, "banyan.v1")), plain = join(websocket("x"));
  client->say(R"({"type":"publish","channel":"x","data":1})");
  EXPECT_TRUE(client->wait_for("\"status\":403"));
  EXPECT_EQ(metric(shm::Metric::events_published, shm::PublishResult::unauthorized), 1u);
  plain->say("hello");
  EXPECT_EQ(plain->close_code(), 1008);
  EXPECT_EQ(metric(shm::Metric::events_published, shm::PublishResult::unauthorized), 2u);
}

TEST_F(EventDispatchTest, EnvelopesSayWhereTheyStand) {
  make();
  const shm::EventId first = publish("x", "before");
  auto client = join(websocket("x", {}, "banyan.v1"));
  EXPECT_EQ(client->call().field("Sec-WebSocket-Protocol"), "banyan.v1");
  publish("x", "[1]", shm::EventKind::json);
  ASSERT_TRUE(client->wait_for_messages(2));
  const std::string epoch = fmt::format("{}", first.epoch);
  EXPECT_THAT(client->messages(),
              ElementsAre(R"({"type":"subscribed","channel":"x","epoch":)" + epoch + R"(,"offset":1})",
                          R"({"channel":"x","epoch":)" + epoch + R"(,"offset":2,"data":[1]})"));
}

TEST_F(EventDispatchTest, CommandsChangeTheSubscriptions) {
  make("max_subscriptions = 2");
  auto client = join(websocket("x", {}, "banyan.v1"));
  publish("y", "old");
  client->say(R"({"type":"subscribe","channel":"y","since":"first","id":"a"})");
  ASSERT_TRUE(client->wait_for_messages(3));
  EXPECT_THAT(client->messages()[1], HasSubstr(R"("subscribed","channel":"y","id":"a")"));
  EXPECT_THAT(client->messages()[2], HasSubstr(R"("offset":1,"data":"old"})"));
  publish("y", "new");
  client->say(R"({"type":"subscribe","channel":"y"})");
  client->say(R"({"type":"subscribe","channel":"z"})");
  client->say(R"({"type":"unsubscribe","channel":"z"})");
  client->say("nonsense");
  ASSERT_TRUE(client->wait_for_messages(8));
  std::string all;
  for (const std::string& message : client->messages()) all += message + "\n";
  for (const char* part : {R"("offset":2,"data":"new")", R"("status":409)", R"("status":429)",
                           R"("status":404)", R"("status":400)"}) {
    EXPECT_THAT(all, HasSubstr(part));
  }
  client->forget();
  client->say(R"({"type":"unsubscribe","channel":"y"})");
  client->say(R"({"type":"ping","id":1})");
  ASSERT_TRUE(client->wait_for_messages(2));
  EXPECT_THAT(client->messages(),
              ElementsAre(R"({"type":"unsubscribed","channel":"y"})", R"({"type":"pong","id":1})"));
  client->forget();
  publish("y", "not heard");
  publish("x", "heard");
  ASSERT_TRUE(client->wait_for_messages(1));
  EXPECT_THAT(client->messages()[0], HasSubstr("\"heard\""));
}

// ---------------------------------------------------------------- event streams

TEST_F(EventDispatchTest, AStreamCarriesIds) {
  make();
  const shm::EventId before = publish("x", "before");
  auto client = join(stream("x"));
  EXPECT_EQ(client->call().status(), 200);
  EXPECT_EQ(client->call().field("Content-Type"), "text/event-stream");
  const shm::EventId id = publish("x", "a\nb");
  ASSERT_TRUE(client->wait_for(fmt::format("id: {}\ndata: a\ndata: b\n\n", shm::to_text(id))));
  // Who comes back before the first event must not lose it.
  EXPECT_THAT(client->heard(),
              ::testing::ContainsRegex(fmt::format("^retry: [0-9]+\nid: {}\n\n", shm::to_text(before))));
}

TEST_F(EventDispatchTest, SeveralChannelsHaveOneIdForAll) {
  make();
  auto client = join(stream("x", "channel=y"));
  const shm::EventId x = publish("x", "of x");
  const shm::EventId y = publish("y", "of y");
  const std::string both = shm::to_text(x) + "," + shm::to_text(y);
  ASSERT_TRUE(client->wait_for("data: of y"));
  EXPECT_THAT(client->heard(), HasSubstr(fmt::format("id: {},{}:0\ndata: of x\n\nid: {}\ndata: of y\n\n",
                                                     shm::to_text(x), y.epoch, both)));
  client->hang_up();
  publish("y", "while away");
  publish("x", "this, too");
  auto again = join(stream("x", "channel=y", both));
  ASSERT_TRUE(again->wait_for("while away"));
  ASSERT_TRUE(again->wait_for("this, too"));
  EXPECT_THAT(again->heard(), ::testing::Not(HasSubstr("of ")));
}

// ---------------------------------------------------------------- coming back

TEST_F(EventDispatchTest, ResumesWithoutLossOrDuplicate) {
  make();
  shm::EventId seen;
  for (int i = 1; i <= 20; ++i) {
    const shm::EventId id = publish("x", fmt::format("event {};", i));
    if (i == 5) seen = id;
  }
  auto client = join(stream("x", "since=1:1", shm::to_text(seen)));
  publish("x", "event 21;");
  ASSERT_TRUE(client->wait_for("event 21;"));
  publish("x", "event 22;");
  ASSERT_TRUE(client->wait_for("event 22;"));
  for (int i = 1; i <= 22; ++i) {
    const std::string event = fmt::format("data: event {};", i);
    const size_t found = client->heard().find(event);
    EXPECT_EQ(found != std::string::npos, i > 5) << i;
    if (i <= 5) continue;
    EXPECT_EQ(client->heard().find(event, found + 1), std::string::npos) << i;
  }
  EXPECT_EQ(metric(shm::Metric::events_resume, shm::ResumeResult::complete), 1u);
}

TEST_F(EventDispatchTest, AGapIsAnnouncedNeverHidden) {
  make("history = { messages = 3 }");
  shm::EventId first;
  for (int i = 1; i <= 10; ++i) {
    const shm::EventId id = publish("x", fmt::format("event {};", i));
    if (i == 1) first = id;
  }
  const std::string since = "since=" + shm::to_text(first);
  auto events = join(stream("x", since));
  ASSERT_TRUE(events->wait_for("event 10;"));
  EXPECT_THAT(events->heard(),
              HasSubstr(fmt::format("id: {0}:7\nevent: gap\ndata: {{\"channel\":\"x\",\"epoch\":{0},"
                                    "\"first_available\":8}}\n\nid: {0}:8\ndata: event 8;",
                                    first.epoch)));
  auto envelopes = join(websocket("x", since, "banyan.v1"));
  ASSERT_TRUE(envelopes->wait_for_messages(5));
  EXPECT_THAT(envelopes->messages()[1], HasSubstr(R"("type":"gap")"));
  EXPECT_THAT(envelopes->messages()[2], HasSubstr("event 8;"));
  auto plain = join(websocket("x", since));
  EXPECT_EQ(plain->close_code(), 4000);
  EXPECT_THAT(plain->frames()[0].payload.substr(2), fmt::format("gap, first available {}:8", first.epoch));
  auto unknown = join(stream("x", {}, "of-another-server"));
  ASSERT_TRUE(unknown->wait_for("event 10;"));
  EXPECT_THAT(unknown->heard(), HasSubstr("event: gap"));
}

TEST_F(EventDispatchTest, WhoIsOverrunByTheLogIsToldOfTheGap) {
  make("memory = \"64k\"\nmax_message = \"4k\"");
  auto client = join(websocket("x", {}, "banyan.v1"));
  // All of this happens before the worker looks once.
  for (int i = 1; i <= 100; ++i) publish("x", fmt::format("event {};{}", i, std::string(2000, '.')));
  ASSERT_TRUE(client->wait_for("event 100;"));
  EXPECT_THAT(client->messages()[1], HasSubstr(R"("type":"gap")"));
  publish("x", "and on");
  ASSERT_TRUE(client->wait_for("and on"));
}

}  // namespace
}  // namespace banyan::handlers
