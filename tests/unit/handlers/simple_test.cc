// static_reply, echo, and the table of types.
#include <gtest/gtest.h>

#include "handlers/all_handlers.h"
#include "support/fake_call.h"
#include "support/fake_worker.h"

namespace banyan::handlers {
namespace {

using testing::FakeCall;
using testing::FakeWorker;
using testing::MadeHandler;
using testing::run_until;

TEST(AllHandlers, AreSortedAndDescribed) {
  std::string_view before;
  for (const handler::HandlerType& type : all_handlers()) {
    EXPECT_LT(before, type.name);
    EXPECT_EQ(type.name, type.options.name());
    EXPECT_FALSE(type.summary.empty());
    EXPECT_NE(type.make, nullptr);
    before = type.name;
  }
}

struct SimpleTest : ::testing::Test {
  FakeWorker worker;
  MadeHandler make(std::string_view keys) { return worker.make(all_handlers(), keys); }
};

TEST_F(SimpleTest, StaticReplyHasDefaults) {
  MadeHandler made = make("type = \"static_reply\"");
  ASSERT_TRUE(made.handler) << made.problem;
  FakeCall call(worker.loop, {});
  call.open(*made.handler);
  ASSERT_TRUE(call.run());
  EXPECT_EQ(call.status(), 200);
  EXPECT_EQ(call.body(), "");
  EXPECT_EQ(call.field("Content-Type"), "");
}

TEST_F(SimpleTest, StaticReplySaysWhatTheConfigurationSays) {
  MadeHandler made = make(
      "type = \"static_reply\"\nstatus = 503\nbody = \"<p>later</p>\"\n"
      "headers = { Retry-After = \"120\", content-type = \"text/html\", Set-Cookie = [\"a=1\", \"b=2\"] }");
  ASSERT_TRUE(made.handler) << made.problem;
  FakeCall call(worker.loop, {.method = "POST", .body = std::nullopt});  // does not wait for the body
  call.open(*made.handler);
  ASSERT_TRUE(call.run());
  EXPECT_EQ(call.status(), 503);
  EXPECT_EQ(call.body(), "<p>later</p>");
  EXPECT_EQ(call.field("Retry-After"), "120");
  EXPECT_EQ(call.response_fields().size(), 4u);
  EXPECT_EQ(call.field("Content-Type"), "text/html");
}

TEST_F(SimpleTest, StaticReplyIsTextByDefault) {
  MadeHandler made = make("type = \"static_reply\"\nbody = \"hi\"");
  ASSERT_TRUE(made.handler) << made.problem;
  FakeCall call(worker.loop, {});
  call.open(*made.handler);
  ASSERT_TRUE(call.run());
  EXPECT_EQ(call.field("Content-Type"), "text/plain; charset=utf-8");
}

TEST_F(SimpleTest, StaticReplyRefusesWhatCannotBe) {
  EXPECT_NE(make("type = \"static_reply\"\nstatus = 99").problem.find("handler.test.status: "),
            std::string::npos);
  EXPECT_NE(make("type = \"static_reply\"\nstatus = 204\nbody = \"x\"")
                .problem.find("handler.test.body: must be empty"),
            std::string::npos);
  EXPECT_NE(make("type = \"static_reply\"\nbdoy = \"x\"").problem.find("did you mean body"),
            std::string::npos);
}

TEST_F(SimpleTest, EchoShowsTheHeadOfARequestWithoutBody) {
  MadeHandler made = make("type = \"echo\"");
  ASSERT_TRUE(made.handler) << made.problem;
  FakeCall call(worker.loop,
                {.path = "/debug/x", .query = "a=1", .fields = {{"X-One", "1"}, {"x-two", "2"}}});
  call.open(*made.handler);
  ASSERT_TRUE(call.run());
  EXPECT_EQ(call.status(), 200);
  EXPECT_EQ(call.body(), "GET /debug/x?a=1\nX-One: 1\nx-two: 2\n");
  EXPECT_EQ(call.field("X-Echo-Method"), "GET");
  EXPECT_EQ(call.field("X-Echo-Path"), "/debug/x");
  EXPECT_EQ(call.field("X-Echo-Query"), "a=1");
  EXPECT_EQ(call.field("X-Echo-Host"), "example.org");
}

TEST_F(SimpleTest, EchoSendsTheBodyBackWithItsType) {
  MadeHandler made = make("type = \"echo\"");
  ASSERT_TRUE(made.handler) << made.problem;
  FakeCall call(
      worker.loop,
      {.method = "PUT", .path = "/debug", .fields = {{"Content-Type", "image/gif"}}, .body = "GIF89a"});
  call.open(*made.handler);
  ASSERT_TRUE(call.run());
  EXPECT_EQ(call.body(), "GIF89a");
  EXPECT_EQ(call.length().kind, http::BodyKind::sized);
  EXPECT_EQ(call.length().size, 6u);
  EXPECT_EQ(call.field("Content-Type"), "image/gif");
}

// One side stops: the other one has to, after a bounded number of bytes.
TEST_F(SimpleTest, EchoStreamsAtThePaceOfTheSlowerSide) {
  MadeHandler made = make("type = \"echo\"");
  ASSERT_TRUE(made.handler) << made.problem;
  FakeCall call(worker.loop, {.method = "POST", .body = std::nullopt});
  call.hold_back(true);
  call.open(*made.handler);
  const std::string piece(4096, 'p');
  size_t sent = 0;
  while (!call.request_pipe().writer().full()) {
    call.send(piece);
    sent += piece.size();
    worker.loop.turn();
    ASSERT_LT(sent, size_t{1'000'000});
  }
  EXPECT_LE(call.response_pipe().reader().size(), http::BodyPipe::kHighWater + piece.size());
  call.hold_back(false);
  ASSERT_TRUE(run_until(worker.loop, [&] { return call.body().size() == sent; }));
  EXPECT_FALSE(call.done());
  call.send("end");
  call.end_request();
  ASSERT_TRUE(call.run());
  EXPECT_EQ(call.body().size(), sent + 3);
}

TEST_F(SimpleTest, EchoBreaksOffWhenTheRequestDoes) {
  MadeHandler made = make("type = \"echo\"");
  ASSERT_TRUE(made.handler) << made.problem;
  FakeCall call(worker.loop, {.method = "POST", .body = std::nullopt});
  call.open(*made.handler);
  call.send("half");
  call.break_request(client_error(400, "gone"));
  ASSERT_TRUE(call.run());
  EXPECT_EQ(call.status(), 200);
  ASSERT_TRUE(call.failure());
  EXPECT_EQ(call.failure()->message, "gone");
  EXPECT_EQ(call.body(), "half");
}

TEST_F(SimpleTest, EchoPassesTrailersOn) {
  MadeHandler made = make("type = \"echo\"");
  ASSERT_TRUE(made.handler) << made.problem;
  FakeCall call(worker.loop, {.method = "POST", .body = std::nullopt});
  call.open(*made.handler);
  http::Fields trailers;
  trailers.add("X-Checksum", "abc");
  call.request_pipe().writer().end(trailers);
  ASSERT_TRUE(call.run());
  const http::Field* field = call.response_pipe().reader().trailers().find("x-checksum");
  ASSERT_NE(field, nullptr);
  EXPECT_EQ(field->value, "abc");
}

TEST_F(SimpleTest, EchoSurvivesAClientThatGoes) {
  MadeHandler made = make("type = \"echo\"");
  ASSERT_TRUE(made.handler) << made.problem;
  FakeCall call(worker.loop, {.method = "POST", .body = std::nullopt});
  call.open(*made.handler);
  call.send("half");
  worker.loop.turn();
  call.hang_up();
  FakeCall next(worker.loop, {});
  next.open(*made.handler);
  ASSERT_TRUE(next.run());
  EXPECT_FALSE(call.done());
}

}  // namespace
}  // namespace banyan::handlers
