// POST to an event_dispatch handler, without the handler: sessions, publisher, schema.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/json.h"
#include "config/section.h"
#include "handlers/event_dispatch/channel_names.h"
#include "handlers/event_dispatch/publish_session.h"
#include "support/event_region.h"
#include "support/fake_call.h"
#include "support/fake_worker.h"
#include "support/forked.h"

namespace banyan::handlers {
namespace {

using testing::FakeCall;
using testing::FakeRequest;
using testing::FakeWorker;
using Fields = std::vector<std::pair<std::string, std::string>>;

constexpr uint64_t kMostOfBatch = 100'000;

// What EventDispatch does with POST.
class PublishOnly final : public handler::Handler {
 public:
  PublishOnly(FakeWorker& worker, Publisher& publisher) : worker_(worker), publisher_(publisher) {}
  std::unique_ptr<handler::Session> open(handler::Call& call) override {
    PublishMeans means{worker_.services, publisher_, nullptr, grant};
    const std::string_view path = call.request().path;
    if (path == "/") return open_batch_publish(call, means, most_of_batch);
    return open_publish(call, means, std::string(path.substr(1)));
  }

  PublishGrant grant;
  uint64_t most_of_batch = kMostOfBatch;

 private:
  FakeWorker& worker_;
  Publisher& publisher_;
};

struct EventPublishTest : ::testing::Test {
  FakeWorker worker;
  testing::EventRegion region{{.ring_bytes = 1 << 20, .max_channels = 64}};
  shm::EventLog log{region.bytes(), 0, 1};
  PublishLimits limits{.max_message = 1000};
  Publisher publisher{worker.services, log, limits, 1};
  PublishOnly handler{worker, publisher};

  struct Answer {
    int status = 0;
    std::string body;
    Fields fields;
    std::string field(const std::string& name) const {
      for (const auto& [known, value] : fields) {
        if (known == name) return value;
      }
      return {};
    }
  };
  Answer post(const std::string& path, std::string body, Fields fields = {}) {
    FakeRequest request{.method = "POST", .path = path, .fields = std::move(fields), .body = std::move(body)};
    FakeCall call(worker.loop, std::move(request));
    call.open(handler);
    EXPECT_TRUE(call.run());
    EXPECT_FALSE(call.failure().has_value());
    return {call.status(), call.body(), call.response_fields()};
  }
  static Grant only(std::vector<std::string> channels) {
    return {.allowed = {.publish = std::move(channels)}, .by_token = true};
  }
  Answer post_as(const std::string& type, std::string body) {
    return post("/a", std::move(body), {{"Content-Type", type}});
  }
  // The newest event of a channel: "kind:data".
  std::string newest(std::string_view channel) {
    const auto joined = *log.join(channel);
    const auto replay =
        *log.replay(joined.channel, std::nullopt, {.messages = 1}, SIZE_MAX, worker.loop.fresh_now());
    log.leave(joined.channel);
    if (replay.events.empty()) return {};
    return fmt::format("{}:{}", static_cast<int>(replay.events[0].kind), replay.events[0].data);
  }
  uint64_t counted(shm::PublishResult result) {
    return worker.counters.counter(shm::Metric::events_published, 1, result).value();
  }
};

TEST_F(EventPublishTest, AnswersWithOffsetAndEpoch) {
  const Answer first = post("/orders/1", "hello");
  EXPECT_EQ(first.status, 202);
  const uint64_t epoch = log.find("orders/1")->value().last.epoch;
  EXPECT_EQ(first.body, fmt::format("{{\"channel\":\"orders/1\",\"offset\":1,\"epoch\":{}}}\n", epoch));
  EXPECT_EQ(first.field("Content-Type"), "application/json");
  EXPECT_NE(post("/orders/1", "hello").body.find("\"offset\":2,"), std::string::npos);
  EXPECT_EQ(counted(shm::PublishResult::accepted), 2u);
}

TEST_F(EventPublishTest, KindsFollowTheContentType) {
  const std::string text = "0:", json = "1:", binary = "2:";
  for (const auto& [type, body, expected] :
       std::vector<std::array<std::string, 3>>{{"application/json", "{\"a\":1}", json},
                                               {"Application/CloudEvents+JSON; charset=utf-8", "[]", json},
                                               {"text/plain", "x", text},
                                               {"text/plain;charset=utf-8", "\xc3\xa4", text},
                                               {"application/octet-stream", "x", binary},
                                               {"image/png", "\x89PNG", binary},
                                               {"application/x-www-form-urlencoded", "{\"a\":1}", text},
                                               {"application/x-www-form-urlencoded", "\xff", binary}}) {
    EXPECT_EQ(post_as(type, body).status, 202) << type;
    EXPECT_EQ(newest("a"), expected + body) << type;
  }
  EXPECT_EQ(post("/a", "no type").status, 202);
  EXPECT_EQ(newest("a"), text + "no type");
  EXPECT_EQ(post("/a", "").status, 202);
  EXPECT_EQ(newest("a"), text);
  EXPECT_EQ(post_as("application/json", "{\"a\":").status, 400);
  EXPECT_EQ(post_as("application/json", "").status, 400);
  EXPECT_EQ(post_as("text/plain", "\xff").status, 400);
  EXPECT_EQ(counted(shm::PublishResult::invalid), 3u);
}

// Subscribers get it as it is, in text frames.
TEST_F(EventPublishTest, JsonIsNothingButJson) {
  using namespace std::string_view_literals;
  for (std::string_view wrong : {"1\0x"sv, "{}\0\xff"sv, "\xef\xbb\xbf{}"sv}) {
    EXPECT_EQ(post_as("application/json", std::string(wrong)).status, 400);
    limits.schema = {{"a", EventFieldType::any, true}};
    EXPECT_EQ(post_as("application/json", std::string(wrong)).status, 422);
    limits.schema.clear();
  }
  EXPECT_FALSE(log.find("a")->has_value());
}

TEST_F(EventPublishTest, LongBodiesAreRefusedAtOnceOrOnTheWay) {
  EXPECT_EQ(post("/a", std::string(1000, 'x')).status, 202);
  EXPECT_EQ(post("/a", std::string(1001, 'x')).status, 413);
  FakeCall streamed(worker.loop, {.method = "POST", .path = "/a", .body = std::nullopt});
  streamed.open(handler);
  streamed.send(std::string(1001, 'x'));
  EXPECT_TRUE(streamed.run());
  EXPECT_EQ(streamed.status(), 413);
  EXPECT_EQ(counted(shm::PublishResult::too_large), 2u);
  EXPECT_EQ(post("/a", "x", {{"Content-Encoding", "gzip"}}).status, 415);
  EXPECT_EQ(log.find("a")->value().last.offset, 1u);
}

TEST_F(EventPublishTest, ABodyThatBreaksOffIsNotPublished) {
  FakeCall call(worker.loop, {.method = "POST", .path = "/a", .body = std::nullopt});
  call.open(handler);
  call.send("half");
  call.break_request(client_error(400, "gone"));
  EXPECT_TRUE(call.run());
  EXPECT_TRUE(call.failure().has_value());
  EXPECT_FALSE(log.find("a")->has_value());
}

TEST_F(EventPublishTest, RepeatsAreAnsweredWithTheFirstEvent) {
  const std::string first = post("/a", "x", {{"Idempotency-Key", "\"k1\""}}).body;
  post("/a", "y");
  const Answer again = post("/a", "x", {{"idempotency-key", "k1"}});
  EXPECT_EQ(again.status, 202);
  EXPECT_EQ(again.body, first.substr(0, first.size() - 2) + ",\"repeated\":true}\n");
  EXPECT_EQ(counted(shm::PublishResult::repeated), 1u);
  EXPECT_EQ(post("/a", "z", {{"Idempotency-Key", "k1"}}).status, 422);
  EXPECT_EQ(post("/a", "z", {{"Idempotency-Key", "\"\""}}).status, 400);
  EXPECT_EQ(post("/a", "z", {{"Idempotency-Key", std::string(256, 'k')}}).status, 400);
  EXPECT_EQ(post("/a", "z", {{"Idempotency-Key", "k1"}, {"Idempotency-Key", "k2"}}).status, 400);
}

TEST_F(EventPublishTest, RefusalsOfRightsCarryTheChallenge) {
  handler.grant.by_token = only({"a"});
  const Answer refused = post("/secret", "x");
  EXPECT_EQ(refused.status, 403);
  EXPECT_EQ(refused.field("WWW-Authenticate"), "Bearer realm=\"banyan\", error=\"insufficient_scope\"");
  EXPECT_EQ(refused.field("Content-Type"), "application/problem+json");
  EXPECT_EQ(refused.body,
            "{\"title\":\"Forbidden\",\"status\":403,"
            "\"detail\":\"the token does not allow to publish here\"}\n");
  EXPECT_EQ(counted(shm::PublishResult::unauthorized), 1u);
}

TEST_F(EventPublishTest, EachPublisherHasARate) {
  limits.rate = {3, Millis(60'000)};
  for (int i = 0; i < 3; ++i) EXPECT_EQ(post("/a", "x").status, 202) << i;
  const Answer refused = post("/a", "x");
  EXPECT_EQ(refused.status, 429);
  EXPECT_EQ(refused.field("Retry-After"), "20");
  EXPECT_EQ(counted(shm::PublishResult::too_fast), 1u);
  EXPECT_TRUE(publisher.publish({"a", shm::EventKind::text, "x", "", "192.0.2.99"}).ok());
  EXPECT_TRUE(publisher.publish({"a", shm::EventKind::text, "x", "", ""}).ok());
}

TEST_F(EventPublishTest, ABatchBeyondTheRateSaysWhenToComeAgain) {
  limits.rate = {2, Millis(60'000)};
  const Fields type = {{"Content-Type", "application/x-ndjson"}};
  const std::string line = "{\"channel\":\"a\",\"data\":1}\n";
  EXPECT_EQ(post("/", line, type).field("Retry-After"), "");
  const Answer mixed = post("/", line + line, type);
  EXPECT_EQ(mixed.status, 207);
  EXPECT_EQ(mixed.field("Retry-After"), "30");
}

TEST_F(EventPublishTest, RingsTheWorkersThatListen) {
  shm::EventLog other(region.bytes(), 1, 1);
  EXPECT_EQ(post("/a", "x").status, 202);
  EXPECT_EQ(worker.bells.system_calls(), 0u);
  (void)*other.join("a");
  post("/a", "x"), post("/a", "x"), post("/b", "x");
  EXPECT_EQ(worker.bells.system_calls(), 1u);
}

// Its publisher is killed behind the event, before it has rung anybody; whoever sends it again makes it
// heard.
TEST_F(EventPublishTest, ARepeatRingsToo) {
  shm::EventLog other(region.bytes(), 1, 1);
  (void)*other.join("a");
  testing::Stepped victim([&] { post("/a", "x", {{"Idempotency-Key", "k"}}); });
  if (!victim.ready()) GTEST_SKIP() << "ptrace(2) is not allowed here";
  const uint64_t end = log.end();
  while (log.end() == end) ASSERT_TRUE(victim.step());
  victim.end();
  ASSERT_EQ(worker.segment.layout().bells[1].rung.load(), 0u);
  EXPECT_NE(post("/a", "x", {{"Idempotency-Key", "k"}}).body.find("repeated"), std::string::npos);
  EXPECT_EQ(worker.bells.system_calls(), 1u);
}

// ---------------------------------------------------------------- schema

EventSchema make_schema() {
  using enum EventFieldType;
  return {{"order_id", string, false}, {"driver_id", string, true}, {"timestamp", time, false},
          {"count", integer, true},    {"price", number, true},     {"paid", boolean, true},
          {"place", object, true},     {"items", array, true},      {"note", any, true}};
}

TEST_F(EventPublishTest, WhatDoesNotFitTheSchemaIsRefusedFieldByField) {
  limits.schema = make_schema();
  EXPECT_EQ(post("/a", R"({"order_id":"1","timestamp":"2026-03-01T06:00:00Z","more":1})").status, 202);
  EXPECT_EQ(newest("a").substr(0, 2), "1:");  // whatever its Content-Type says
  const Answer refused =
      post_as("application/json", R"({"driver_id":7,"timestamp":"yesterday","count":1.5})");
  EXPECT_EQ(refused.status, 422);
  EXPECT_EQ(refused.field("Content-Type"), "application/problem+json");
  EXPECT_EQ(
      refused.body,
      "{\"title\":\"Unprocessable Content\",\"status\":422,\"detail\":\"the event does not fit the schema\","
      "\"errors\":[{\"field\":\"order_id\",\"detail\":\"is missing\"},"
      "{\"field\":\"driver_id\",\"detail\":\"must be a string\"},"
      "{\"field\":\"timestamp\",\"detail\":\"must be a time such as \\\"2026-03-01T06:00:00Z\\\"\"},"
      "{\"field\":\"count\",\"detail\":\"must be a whole number\"}]}\n");
  for (const char* wrong : {"", "{", "[]", "7", "\"x\"", "\xff"})
    EXPECT_EQ(post("/a", wrong).status, 422) << wrong;
  EXPECT_EQ(counted(shm::PublishResult::invalid), 7u);
}

TEST(EventSchemaTest, Types) {
  const EventSchema schema = make_schema();
  const auto problems = [&](const std::string& members) {
    std::string text;
    const std::string event = R"({"order_id":"1","timestamp":"2026-03-01T06:00:00+01:00",)" + members + "}";
    for (const FieldProblem& problem : check_event(schema, event)) text += problem.field + " ";
    return text;
  };
  EXPECT_EQ(problems(R"("count":-3,"price":3,"paid":false,"place":{},"items":[],"note":null)"), "");
  EXPECT_EQ(problems(R"("driver_id":null,"count":null,"price":1e3)"), "");
  EXPECT_EQ(problems(R"("count":"3","price":"3","paid":0,"place":[],"items":{},"note":1)"),
            "count price paid place items ");
  EXPECT_EQ(problems(R"("order_id":null,"timestamp":1)"), "order_id timestamp ");
  EXPECT_EQ(problems(R"("count":123456789012345678901234567890)"), "");
  EXPECT_EQ(check_event(schema, R"({"order_id":"1","timestamp":"2016-12-31T23:59:60Z"})").size(), 0u);
  EXPECT_EQ(problems(R"("count":1,"count":2,"note":1,"note":1,"more":1,"more":1)"), "count note ");
}

// ---------------------------------------------------------------- batches

TEST_F(EventPublishTest, ABatchIsAnsweredLineByLine) {
  const Fields type = {{"Content-Type", "application/x-ndjson"}};
  const Answer good = post("/",
                           "{\"channel\":\"a\",\"data\":{\"x\":[1,2.5,\"\xc3\xa4\"]}}\n\n"
                           "{\"channel\":\"b\",\"data\":\"text\",\"key\":\"k\"}\r\n"
                           "{\"channel\":\"b\",\"data\":\"text\",\"key\":\"k\"}\n"
                           "{\"channel\":\"c\",\"data_base64\":\"AP8=\"}",
                           type);
  EXPECT_EQ(good.status, 202);
  EXPECT_EQ(good.field("Content-Type"), "application/x-ndjson");
  EXPECT_EQ(newest("a"), "1:{\"x\":[1,2.5,\"\xc3\xa4\"]}");
  EXPECT_EQ(newest("b"), "0:text");
  EXPECT_EQ(newest("c"), std::string("2:\0\xff", 4));
  EXPECT_EQ(std::count(good.body.begin(), good.body.end(), '\n'), 4);
  EXPECT_NE(good.body.find("{\"channel\":\"b\",\"offset\":1,"), std::string::npos);
  EXPECT_NE(good.body.find(",\"repeated\":true}\n"), std::string::npos);

  handler.grant.by_token = only({"a", "last"});
  const Answer mixed = post("/",
                            "nothing\n{\"data\":1}\n{\"channel\":\"secret\",\"data\":1}\n"
                            "{\"channel\":\"a\"}\n{\"channel\":\"a\",\"data\":1,\"data_base64\":\"AA==\"}\n"
                            "{\"channel\":\"a\",\"data_base64\":\"!\"}\n{\"channel\":1,\"data\":1}\n"
                            "{\"channel\":\"last\",\"data\":1}\n",
                            type);
  EXPECT_EQ(mixed.status, 207);
  EXPECT_EQ(newest("last"), "1:1");
  std::string statuses;
  for (size_t at = 0; (at = mixed.body.find("\"status\":", at)) != std::string::npos; ++at)
    statuses += mixed.body.substr(at + 9, 3) + " ";
  EXPECT_EQ(statuses, "400 400 403 400 400 400 400 ");
  EXPECT_EQ(post("/", "{}", {{"Content-Type", "application/json"}}).status, 415);
  EXPECT_EQ(post("/", std::string(kMostOfBatch + 1, 'x'), type).status, 413);
}

// Otherwise the answers would be much longer than the body.
TEST_F(EventPublishTest, ABatchHasSoManyLinesAtMost) {
  const Fields type = {{"Content-Type", "application/x-ndjson"}};
  std::string body = "{\"channel\":\"a\",\"data\":1}";
  for (uint64_t i = 0; i < kMostOfBatch / kBytesPerLine; ++i) body += '\n';
  EXPECT_EQ(post("/", body, type).status, 202);
  const Answer refused = post("/", body + "\n", type);
  EXPECT_EQ(refused.status, 413);
  EXPECT_NE(refused.body.find("more than 3125 lines"), std::string::npos);
  EXPECT_EQ(counted(shm::PublishResult::too_large), 1u);
  EXPECT_EQ(log.find("a")->value().last.offset, 1u);
}

TEST_F(EventPublishTest, ABatchPublishesValuesAsTheyStandThere) {
  const Fields type = {{"Content-Type", "application/x-ndjson"}};
  for (const std::string value : {R"({"z":1, "a":2,"z":3})", "[1.0,  1e2, -0]", "12345678901234567890123",
                                  R"({"\u0061":"\u00e4"})", "null"}) {
    EXPECT_EQ(post("/", "{\"data\": " + value + " ,\"channel\":\"a\"}", type).status, 202);
    EXPECT_EQ(newest("a"), "1:" + value);
  }
}

TEST_F(EventPublishTest, LinesThatAreNestedTooDeepAreRefused) {
  const Fields type = {{"Content-Type", "application/x-ndjson"}};
  handler.most_of_batch = 1 << 20;
  limits.max_message = 1 << 20;
  const auto line = [](size_t levels) {
    return "{\"channel\":\"a\",\"data\":" + std::string(levels, '[') + std::string(levels, ']') + "}";
  };
  EXPECT_EQ(post("/", line(kDeepestJson - 1), type).status, 202);
  for (const size_t levels : {kDeepestJson, size_t{100'000}, size_t{500'000}}) {
    const Answer refused = post("/", line(levels), type);
    EXPECT_EQ(refused.status, 207);
    EXPECT_NE(refused.body.find("\"status\":400"), std::string::npos);
  }
}

TEST_F(EventPublishTest, MembersOfALineAreThereOnceAndFit) {
  const Fields type = {{"Content-Type", "application/x-ndjson"}};
  for (const std::string line :
       {R"({"channel":"a","data":1,"data":2})", R"({"channel":"a","channel":"b","data":1})",
        R"({"channel":"a","data":1,"key":"k","key":"l"})", R"({"channel":"a","data":1,"key":""})",
        R"({"channel":"a","data":1,"data_base64":"AA=="})", R"({"channel":"a","data_base64":"AA==junk"})"}) {
    EXPECT_NE(post("/", line, type).body.find("\"status\":400"), std::string::npos) << line;
  }
  const std::string key = "{\"channel\":\"a\",\"data\":1,\"key\":\"" + std::string(256, 'k') + "\"}";
  EXPECT_NE(post("/", key, type).body.find("\"status\":400"), std::string::npos);
  EXPECT_FALSE(log.find("a")->has_value());
}

// Others get their turn while a long one is published.
TEST_F(EventPublishTest, ALongBatchIsDoneInSlices) {
  limits.rate = {};
  std::string body;
  for (int i = 0; i < 2000; ++i) body += "{\"channel\":\"a\",\"data\":{\"number\":[1,2,3]}}\n";
  FakeCall call(worker.loop, {.method = "POST",
                              .path = "/",
                              .fields = {{"Content-Type", "application/x-ndjson"}},
                              .body = std::move(body)});
  call.open(handler);
  int turns = 0;
  EXPECT_TRUE(testing::run_until(worker.loop, [&] { return ++turns, call.done(); }));
  EXPECT_GT(turns, 2);
  EXPECT_EQ(call.status(), 202);
  EXPECT_EQ(log.find("a")->value().last.offset, 2000u);
  // Somebody else gives up in the middle.
  FakeCall gone(worker.loop, {.method = "POST",
                              .path = "/",
                              .fields = {{"Content-Type", "application/x-ndjson"}},
                              .body = "{\"channel\":\"a\",\"data\":1}\n"});
  gone.open(handler);
  gone.hang_up();
  turns = 0;
  EXPECT_TRUE(testing::run_until(worker.loop, [&] { return ++turns > 3; }));
  EXPECT_EQ(log.find("a")->value().last.offset, 2000u);
}

}  // namespace
}  // namespace banyan::handlers
