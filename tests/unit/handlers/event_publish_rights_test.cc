// Who may publish to an event_dispatch handler, and options about publishing that make no sense.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include "handlers/all_handlers.h"
#include "support/fake_call.h"
#include "support/fake_worker.h"
#include "support/signed_token.h"

namespace banyan::handlers {
namespace {

using testing::FakeCall;
using testing::FakeRequest;
using testing::FakeWorker;
using ::testing::HasSubstr;
using Fields = std::vector<std::pair<std::string, std::string>>;

std::string make_token(const std::string& claims, const std::string& secret = "key") {
  return support::sign("HS256", secret, claims);
}

struct PublishRightsTest : ::testing::Test {
  FakeWorker worker;
  testing::MadeHandler made;

  void make(std::string_view keys) {
    made = worker.make(all_handlers(), fmt::format("type = \"event_dispatch\"\n{}", keys));
    ASSERT_TRUE(made.handler) << made.problem;
  }
  // The status and what WWW-Authenticate says.
  std::string post(Fields fields, const std::string& path = "/x", std::string body = "hello") {
    FakeRequest request{.method = "POST", .path = path, .fields = std::move(fields), .body = std::move(body)};
    request.mount = "/";
    FakeCall call(worker.loop, std::move(request));
    call.open(*made.handler);
    EXPECT_TRUE(call.run());
    answer = call.body();
    const std::string challenge = call.field("WWW-Authenticate");
    return fmt::format("{}{}{}", call.status(), challenge.empty() ? "" : " ", challenge);
  }
  std::string post_with(const std::string& token, const std::string& path = "/x") {
    return post({{"Authorization", "Bearer " + token}}, path);
  }
  uint64_t refused() {
    const uint32_t number = worker.directory.find(shm::Kind::handler, "test");
    return worker.counters.counter(shm::Metric::events_published, number, shm::PublishResult::unauthorized)
        .value();
  }

  std::string answer;
  const std::string wanted = "401 Bearer realm=\"banyan\"";
  const std::string invalid = "401 Bearer realm=\"banyan\", error=\"invalid_token\"";
  const std::string scope = "403 Bearer realm=\"banyan\", error=\"insufficient_scope\"";
};

TEST_F(PublishRightsTest, WithoutTokensEverybodyPublishes) {
  make("");
  EXPECT_EQ(post({}), "202");
  EXPECT_EQ(post({{"Origin", "https://elsewhere"}}), "202");
  EXPECT_EQ(post({}, "/_channels"), "405");
  EXPECT_EQ(post({}, "/a%00b"), "400");
}

TEST_F(PublishRightsTest, ThePublishTokenIsAskedFor) {
  make("publish_token = \"secret\"");
  EXPECT_EQ(post({}), wanted);
  EXPECT_EQ(post({{"Authorization", "Basic c2VjcmV0"}}), wanted);
  EXPECT_EQ(post_with("Secret"), invalid);
  EXPECT_EQ(post_with("secre"), invalid);
  EXPECT_EQ(post_with("secretsecret"), invalid);
  EXPECT_EQ(post_with("secret"), "202");
  EXPECT_EQ(post({{"Authorization", "bearer secret"}}), "202");
  EXPECT_EQ(refused(), 5u);
}

TEST_F(PublishRightsTest, TokensOfSubscribersSayWhereTheyPublish) {
  make("subscribe = { jwt_secret = \"key\" }\npublish_token = \"secret\"");
  const std::string token = make_token(R"({"channels":"*","publish":["orders/*"]})");
  EXPECT_EQ(post({}), wanted);
  EXPECT_EQ(post_with("secret"), "202");
  EXPECT_EQ(post_with(token, "/orders/1"), "202");
  EXPECT_EQ(post_with(token, "/users/1"), scope);
  EXPECT_EQ(post_with(make_token(R"({"channels":"*"})"), "/orders/1"), scope);
  EXPECT_EQ(post_with(make_token(R"({"publish":"*"})", "other"), "/orders/1"), invalid);
  EXPECT_EQ(post_with(make_token(R"({"publish":"*","exp":1000})"), "/orders/1"), invalid);
  // Line by line in a batch.
  const Fields fields = {{"Authorization", "Bearer " + token}, {"Content-Type", "application/x-ndjson"}};
  EXPECT_EQ(post(fields, "/", "{\"channel\":\"orders/1\",\"data\":1}\n{\"channel\":\"x\",\"data\":1}\n"),
            "207");
  EXPECT_THAT(answer, HasSubstr("{\"channel\":\"orders/1\",\"offset\":2,"));
  EXPECT_THAT(answer, HasSubstr("\"status\":403,"));
}

// Before the body, and as for a single event.
TEST_F(PublishRightsTest, ABatchWithoutRightsIsRefusedAsAWhole) {
  make(
      "subscribe = { jwt_secret = \"key\", origins = [\"https://app.example\"] }\npublish_token = "
      "\"secret\"");
  const std::pair<std::string, std::string> type = {"Content-Type", "application/x-ndjson"};
  const std::string body = "{\"channel\":\"x\",\"data\":1}\n";
  EXPECT_EQ(post({type}, "/", body), wanted);
  EXPECT_EQ(post({type, {"Authorization", "Bearer wrong"}}, "/", body), invalid);
  EXPECT_EQ(post({type, {"Authorization", "Bearer secret"}, {"Origin", "https://elsewhere"}}, "/", body),
            "403");
  EXPECT_EQ(post({type, {"Authorization", "Bearer secret"}}, "/", body), "202");
  FakeCall unsent(worker.loop,
                  {.method = "POST", .path = "/", .mount = "/", .fields = {type}, .body = std::nullopt});
  unsent.open(*made.handler);
  EXPECT_TRUE(unsent.run());
  EXPECT_EQ(unsent.status(), 401);
  EXPECT_EQ(refused(), 4u);
}

// A page could otherwise let its visitors publish, without a preflight.
TEST_F(PublishRightsTest, PagesOfOtherOriginsDoNotPublish) {
  make("subscribe = { origins = [\"https://app.example\"] }");
  EXPECT_EQ(post({{"Origin", "https://elsewhere"}, {"Content-Type", "text/plain"}}), "403");
  EXPECT_EQ(post({{"Origin", "https://app.example"}}), "202");
  EXPECT_EQ(post({}), "202");
  FakeCall call(
      worker.loop,
      {.method = "POST", .path = "/x", .fields = {{"Origin", "https://app.example"}}, .body = "hello"});
  call.open(*made.handler);
  EXPECT_TRUE(call.run());
  EXPECT_EQ(call.field("Access-Control-Allow-Origin"), "https://app.example");
}

TEST_F(PublishRightsTest, OptionsThatMakeNoSenseAreRefused) {
  const auto problem = [&](std::string_view keys) {
    return worker.make(all_handlers(), fmt::format("type = \"event_dispatch\"\n{}", keys)).problem;
  };
  EXPECT_THAT(problem("schema = { a = \"strin\" }"),
              HasSubstr("schema.a: must be \"string\", \"int\", \"number\""));
  EXPECT_THAT(problem("schema = { a = 1 }"), HasSubstr("schema.a"));
  EXPECT_THAT(problem("schema = \"string\""), HasSubstr("a table of field types"));
  EXPECT_THAT(problem("source = { address = \"127.0.0.1:1\" }"), HasSubstr("redis_stream"));
  EXPECT_THAT(problem("source = { redis_stream = \"x\", channel = \"a\", channel_field = \"b\" }"),
              HasSubstr("channel_field: has no effect beside channel"));
  EXPECT_THAT(problem("source = { redis_stream = \"x\", username = \"a\" }"),
              HasSubstr("username: has no effect without password"));
  EXPECT_THAT(problem("source = { redis_stream = \"x\", channel = \"_channels\" }"),
              HasSubstr("channel: channels cannot be named _channels"));
  EXPECT_THAT(problem("source = { redis_stream = \"x\", from = \"start\" }"), HasSubstr("from"));
  EXPECT_THAT(problem("publish_token = \"a\"\nwebsocket_publish = true"),
              HasSubstr("websocket_publish: would let everybody publish"));
  EXPECT_THAT(problem("publish_rate = \"often\""), HasSubstr("publish_rate"));
  EXPECT_EQ(problem("publish_rate = \"off\"\nschema = { a = \"any?\" }\nsource = { redis_stream = \"x\" }"),
            "");
}

}  // namespace
}  // namespace banyan::handlers
