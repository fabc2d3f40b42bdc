// Who may listen: origins, tokens, the word of another target; and the ways to ask without a connection that
// stays.
#include <gmock/gmock.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <thread>

#include "handlers/event_dispatch/token.h"
#include "support/signed_token.h"
#include "unit/handlers/event_fixture.h"

namespace banyan::handlers {
namespace {

using support::base64url;
using support::sign;
using ::testing::HasSubstr;

struct KeyPair {
  std::string secret;
  std::string open;
};

// Without a curve: RSA.
KeyPair make_keys(const char* curve = nullptr) {
  EVP_PKEY* key = curve ? EVP_EC_gen(curve) : EVP_RSA_gen(2048);
  KeyPair pair;
  for (bool open : {false, true}) {
    BIO* bio = BIO_new(BIO_s_mem());
    open ? PEM_write_bio_PUBKEY(bio, key)
         : PEM_write_bio_PrivateKey(bio, key, nullptr, nullptr, 0, nullptr, nullptr);
    char* text = nullptr;
    const long size = BIO_get_mem_data(bio, &text);
    (open ? pair.open : pair.secret).assign(text, static_cast<size_t>(size));
    BIO_free(bio);
  }
  EVP_PKEY_free(key);
  return pair;
}

int64_t seconds_from_now(int seconds) {
  return std::chrono::duration_cast<std::chrono::seconds>(WallTime::clock::now().time_since_epoch()).count() +
         seconds;
}

TEST(FitsPattern, AStarStandsForAnything) {
  EXPECT_TRUE(fits_pattern("*", ""));
  EXPECT_TRUE(fits_pattern("orders/*", "orders/1/x"));
  EXPECT_TRUE(fits_pattern("*/private/*", "a/private/b"));
  EXPECT_TRUE(fits_pattern("a*b*c", "aXbXbXc"));
  EXPECT_FALSE(fits_pattern("orders/*", "order"));
  EXPECT_FALSE(fits_pattern("a*b", "ab!"));
  EXPECT_FALSE(fits_pattern("a", "aa"));
  EXPECT_FALSE(fits_pattern("", "a"));
}

TEST(TokenCheck, BelievesOnlyTheKeysOwnKindOfSignature) {
  const KeyPair rsa = make_keys(), ec = make_keys("P-256"), other = make_keys("P-256");
  const std::string claims = R"({"channels":["a"]})";
  const WallTime now = WallTime::clock::now();
  SubscribeOptions options;
  options.jwt_secret.value = "secret";
  const auto by_secret = TokenCheck::make(options);
  EXPECT_TRUE(by_secret->check(sign("HS256", "secret", claims), now).ok());
  EXPECT_EQ(by_secret->check(sign("HS256", "wrong", claims), now).error().status, 401);
  EXPECT_FALSE(by_secret->check(sign("none", "", claims), now).ok());
  EXPECT_FALSE(by_secret->check(sign("RS256", rsa.secret, claims), now).ok());
  for (const char* text : {"", "x", "a.b.c", "..", "eyJhbGciOiJIUzI1NiJ9.e30."}) {
    EXPECT_FALSE(by_secret->check(text, now).ok()) << text;
  }
  options = {};
  options.jwt_public_key = {"/key.pem", rsa.open};
  const auto by_rsa = TokenCheck::make(options);
  ASSERT_TRUE(by_rsa.ok());
  EXPECT_TRUE(by_rsa->check(sign("RS256", rsa.secret, claims), now).ok());
  // The public key taken for a secret.
  EXPECT_FALSE(by_rsa->check(sign("HS256", rsa.open, claims), now).ok());
  EXPECT_FALSE(by_rsa->check(sign("ES256", ec.secret, claims), now).ok());
  options.jwt_public_key.content = ec.open;
  const auto by_ec = TokenCheck::make(options);
  EXPECT_TRUE(by_ec->check(sign("ES256", ec.secret, claims), now).ok());
  EXPECT_FALSE(by_ec->check(sign("ES256", other.secret, claims), now).ok());
  options.jwt_public_key.content = "no key";
  EXPECT_THAT(TokenCheck::make(options).error().message, HasSubstr("/key.pem"));
}

// RFC 7518 section 3.1.
TEST(TokenCheck, TheCurveSaysWhichAlgorithm) {
  const std::string claims = R"({"channels":["a"]})";
  const WallTime now = WallTime::clock::now();
  const std::pair<const char*, std::string> kCurves[] = {
      {"P-256", "ES256"}, {"P-384", "ES384"}, {"P-521", "ES512"}};
  for (const auto& [curve, own] : kCurves) {
    const KeyPair keys = make_keys(curve);
    SubscribeOptions options;
    options.jwt_public_key = {"/key.pem", keys.open};
    const auto check = TokenCheck::make(options);
    ASSERT_TRUE(check.ok());
    for (const auto& [name, algorithm] : kCurves) {
      EXPECT_EQ(check->check(sign(algorithm, keys.secret, claims), now).ok(), algorithm == own)
          << curve << " " << name;
    }
  }
  SubscribeOptions options;
  options.jwt_public_key = {"/key.pem", make_keys("secp256k1").open};
  EXPECT_THAT(TokenCheck::make(options).error().message, HasSubstr("P-256"));
}

// Of what is good otherwise, too: cjose 0.6 halves one of ES256 wherever its middle is.
TEST(TokenCheck, SignaturesHaveTheirSize) {
  const KeyPair rsa = make_keys();
  const WallTime now = WallTime::clock::now();
  for (const std::string algorithm :
       {"HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "ES256", "ES384", "ES512"}) {
    KeyPair keys{.secret = "secret"};
    if (algorithm[0] == 'R') keys = rsa;
    if (algorithm[0] == 'E')
      keys = make_keys(algorithm == "ES512" ? "P-521" : ("P-" + algorithm.substr(2)).c_str());
    SubscribeOptions options;
    if (keys.open.empty()) options.jwt_secret.value = keys.secret;
    options.jwt_public_key = {"/key.pem", keys.open};
    const auto check = TokenCheck::make(options);
    ASSERT_TRUE(check.ok()) << algorithm;
    const std::string token = sign(algorithm, keys.secret, R"({"channels":["a"]})");
    const std::string signed_text = token.substr(0, token.rfind('.') + 1);
    const std::string signature = *read_base64url(token.substr(token.rfind('.') + 1));
    const size_t half = signature.size() / 2;
    EXPECT_TRUE(check->check(token, now).ok()) << algorithm;
    for (const std::string& wrong :
         {std::string(), signature.substr(0, 1), signature.substr(1), signature.substr(0, half),
          signature.substr(0, signature.size() - 1), signature + '\0',
          '\0' + signature.substr(0, half) + '\0' + signature.substr(half),
          std::string(signature.size(), 0)}) {
      EXPECT_FALSE(check->check(signed_text + base64url(wrong), now).ok())
          << algorithm << " " << wrong.size();
    }
  }
}

TEST(TokenCheck, ReadsHeadersAsTheRfcsSay) {
  SubscribeOptions options;
  options.jwt_secret.value = "secret";
  const auto check = TokenCheck::make(options);
  const auto status = [&](const std::string& header) {
    const auto token =
        check->check(sign("HS256", "secret", R"({"channels":"*"})", header), WallTime::clock::now());
    return token.ok() ? 200 : token.error().status;
  };
  // RFC 7519 section 5.1: what "typ" says is for the application, not for us.
  for (const char* more : {"", R"(,"typ":"JWT")", R"(,"typ":"at+jwt")", R"(,"typ":"application/at+jwt")",
                           R"(,"typ":"JOSE")", R"(,"typ":5)", R"(,"kid":"1","b64":true)"}) {
    EXPECT_EQ(status(fmt::format(R"({{"alg":"HS256"{}}})", more)), 200) << more;
  }
  for (const char* wrong : {R"({"alg":"hs256"})", R"({"alg":"HS384"})", R"({"alg":"none"})", R"({"alg":5})",
                            "{}", "[]", "x", R"({"alg":"HS256","crit":["exp"],"exp":1})",
                            R"({"alg":"HS256","crit":["b64"],"b64":false})", R"({"alg":"HS256","b64":false})",
                            R"({"alg":"none","alg":"HS256"})", R"({"alg":"HS256","crit":[]})"}) {
    EXPECT_EQ(status(wrong), 401) << wrong;
  }
  const std::string good = sign("HS256", "secret", R"({"channels":"*"})");
  for (const std::string& wrong : {good + ".", good + "=", "." + good, good.substr(0, good.rfind('.')),
                                   good.substr(0, good.rfind('.') + 1), good.substr(0, good.size() - 4)}) {
    EXPECT_FALSE(check->check(wrong, WallTime::clock::now()).ok()) << wrong;
  }
}

TEST(TokenCheck, ReadsTimesAudienceAndChannels) {
  SubscribeOptions options;
  options.jwt_secret.value = "secret";
  options.audience = "live";
  const auto check = TokenCheck::make(options);
  const WallTime now = WallTime::clock::now();
  const auto error = [&](const std::string& claims) {
    const auto token = check->check(sign("HS256", "secret", claims), now);
    return token.ok() ? std::string() : token.error().message;
  };
  EXPECT_EQ(error(R"({"aud":"live"})"), "");
  EXPECT_EQ(error(R"({"aud":["x","live"]})"), "");
  EXPECT_THAT(error(R"({"aud":"x"})"), HasSubstr("somebody else"));
  EXPECT_THAT(error("{}"), HasSubstr("somebody else"));
  EXPECT_THAT(error(fmt::format(R"({{"aud":"live","exp":{}}})", seconds_from_now(-1))), HasSubstr("expired"));
  EXPECT_THAT(error(fmt::format(R"({{"aud":"live","nbf":{}}})", seconds_from_now(60))),
              HasSubstr("not valid yet"));
  EXPECT_THAT(error(R"({"aud":"live","exp":"soon"})"), HasSubstr("times"));
  for (const char* late : {"4000000000", "253402300799", "1767225600000.5", "1e300"}) {
    EXPECT_EQ(error(fmt::format(R"({{"aud":"live","exp":{}}})", late)), "") << late;
    EXPECT_THAT(error(fmt::format(R"({{"aud":"live","nbf":{}}})", late)), HasSubstr("not valid yet")) << late;
  }
  EXPECT_EQ(error(fmt::format(R"({{"aud":"live","exp":{}.5}})", seconds_from_now(60))), "");
  EXPECT_THAT(error(R"({"aud":"live","exp":-1e300})"), HasSubstr("expired"));
  EXPECT_EQ(error(R"({"aud":"live","nbf":-1})"), "");
  const std::string twice = sign("HS256", "secret", R"({"aud":"x","aud":"live"})");
  EXPECT_THAT(check->check(twice, now).error().message, HasSubstr("no claims"));
  const auto token =
      check->check(sign("HS256", "secret", R"({"aud":"live","channels":["a",7,"b/*"],"publish":"c"})"), now);
  EXPECT_EQ(token->channels, (std::vector<std::string>{"a", "b/*"}));
  EXPECT_EQ(token->publish, (std::vector<std::string>{"c"}));
}

// ---------------------------------------------------------------- the handler

testing::FakeRequest with(testing::FakeRequest request, std::string name, std::string value) {
  request.fields.emplace_back(std::move(name), std::move(value));
  return request;
}

TEST_F(EventDispatchTest, OriginsAreAskedBeforeTheAnswer) {
  make("subscribe = { origins = [\"https://app.example.org\", \"https://*.example.com\"] }");
  const auto status = [&](std::string origin) {
    return join(with(websocket("x"), "Origin", std::move(origin)))->call().status();
  };
  EXPECT_EQ(status("https://app.example.org"), 101);
  EXPECT_EQ(status("https://a.b.example.com"), 101);
  EXPECT_EQ(status("https://evil.org"), 403);
  EXPECT_EQ(status("https://app.example.org.evil.org"), 403);
  EXPECT_EQ(status("null"), 403);
  EXPECT_EQ(join(websocket("x"))->call().status(), 101);
  auto events = join(with(stream("x"), "Origin", "https://app.example.org"));
  EXPECT_EQ(events->call().field("Access-Control-Allow-Origin"), "https://app.example.org");
  testing::FakeCall preflight(worker_.loop, with({.method = "OPTIONS", .path = "/live/x", .mount = "/live/"},
                                                 "Origin", "https://app.example.org"));
  preflight.open(*made_.handler);
  ASSERT_TRUE(preflight.run());
  EXPECT_EQ(preflight.status(), 204);
  EXPECT_THAT(preflight.field("Access-Control-Allow-Methods"), HasSubstr("GET"));
}

TEST_F(EventDispatchTest, TokensSayWhichChannels) {
  make("subscribe = { jwt_secret = \"secret\" }");
  const std::string token = sign("HS256", "secret", R"({"channels":["mine/*"]})");
  EXPECT_EQ(join(websocket("mine/1"))->call().status(), 401);
  EXPECT_EQ(join(websocket("mine/1", "access_token=x"))->call().status(), 401);
  EXPECT_EQ(join(websocket("mine/1", "access_token=" + token))->call().status(), 101);
  EXPECT_EQ(join(websocket("mine/1", "channel=other&access_token=" + token))->call().status(), 403);
  EXPECT_EQ(join(with(stream("mine/1"), "Authorization", "Bearer " + token))->call().status(), 200);
  EXPECT_EQ(join(with(stream("other"), "Authorization", "Bearer " + token))->call().status(), 403);
  auto client = join(websocket("mine/1", {}, "banyan.v1, access_token." + token));
  EXPECT_EQ(client->call().status(), 101);
  EXPECT_EQ(client->call().field("Sec-WebSocket-Protocol"), "banyan.v1");
  client->say(R"({"type":"subscribe","channel":"other"})");
  client->say(R"({"type":"subscribe","channel":"mine/2"})");
  ASSERT_TRUE(client->wait_for_messages(3));
  EXPECT_THAT(client->messages()[1], HasSubstr("\"status\":403"));
  EXPECT_THAT(client->messages()[2], HasSubstr("\"subscribed\""));
}

// RFC 6750 section 3.
TEST_F(EventDispatchTest, RefusalsSayWhatIsWrongWithTheToken) {
  make("subscribe = { jwt_secret = \"secret\", origins = [\"https://app.example\"] }");
  const std::string token = sign("HS256", "secret", R"({"channels":["mine"]})");
  const std::string none = "401 Bearer realm=\"banyan\"", invalid = none + ", error=\"invalid_token\"",
                    scope = "403 Bearer realm=\"banyan\", error=\"insufficient_scope\"";
  const auto answer = [&](testing::FakeRequest request) {
    testing::FakeCall call(worker_.loop, std::move(request));
    call.open(*made_.handler);
    EXPECT_TRUE(call.run());
    return fmt::format("{} {}", call.status(), call.field("WWW-Authenticate"));
  };
  const auto page = [](std::string query) {
    return with(stream("_channels"), "Authorization", "Bearer " + query);
  };
  EXPECT_EQ(answer(stream("mine")), none);
  EXPECT_EQ(answer(websocket("mine")), none);
  EXPECT_EQ(answer(stream("mine", "access_token=x")), invalid);
  EXPECT_EQ(answer(with(stream("mine"), "Authorization", "Bearer x")), invalid);
  EXPECT_EQ(answer(stream("other", "access_token=" + token)), scope);
  EXPECT_EQ(answer(with(stream("mine"), "Origin", "https://elsewhere")), "403 ");
  EXPECT_EQ(answer(stream("_channels")), none);
  EXPECT_EQ(answer(page("x")), invalid);
  EXPECT_EQ(answer(page(token)), scope);
}

TEST_F(EventDispatchTest, PresenceSaysWhoByTheToken) {
  make("presence = [\"room-*\"]\nsubscribe = { jwt_secret = \"secret\" }");
  const auto token = [](const std::string& user) {
    return "access_token=" + sign("HS256", "secret", fmt::format(R"({{"channels":"*","sub":"{}"}})", user));
  };
  auto watcher = join(websocket("room-1", token("ann"), "banyan.v1"));
  auto plain = join(websocket("room-1", token("bob \\\"q\\\"") + "&channel=lobby"));
  ASSERT_TRUE(watcher->wait_for_messages(3));
  EXPECT_THAT(watcher->messages()[1], HasSubstr(R"("type":"presence","data":{"event":"join","id":")"));
  EXPECT_THAT(watcher->messages()[1], HasSubstr(R"("user":"ann"})"));
  EXPECT_THAT(watcher->messages()[2], HasSubstr(R"("user":"bob \"q\""})"));
  publish("lobby", "hello");
  ASSERT_TRUE(plain->wait_for_messages(1));
  EXPECT_THAT(plain->messages(), ::testing::ElementsAre("hello"));
  plain->hang_up();
  ASSERT_TRUE(watcher->wait_for_messages(4));
  EXPECT_THAT(watcher->messages()[3], HasSubstr(R"("data":{"event":"leave","id":")"));
}

TEST_F(EventDispatchTest, WhenTheTokenExpiresTheConnectionEnds) {
  make("subscribe = { jwt_secret = \"secret\" }");
  const std::string token =
      sign("HS256", "secret", fmt::format(R"({{"channels":"*","exp":{}}})", seconds_from_now(2)));
  auto socket = join(websocket("x", "access_token=" + token));
  auto events = join(stream("x", "access_token=" + token));
  EXPECT_EQ(socket->call().status(), 101);
  EXPECT_EQ(socket->close_code(), 1008);
  EXPECT_THAT(socket->frames().back().payload, HasSubstr("expired"));
  EXPECT_TRUE(events->wait_for_end());
}

// Their deadlines are sums with it.
TEST_F(EventDispatchTest, ATokenMayExpireBeyondAllClocks) {
  make("subscribe = { jwt_secret = \"secret\" }");
  const std::string query = "access_token=" + sign("HS256", "secret", R"({"channels":"*","exp":1e300})");
  auto socket = join(websocket("x", query));
  testing::FakeCall poll(worker_.loop, {.path = "/live/x", .mount = "/live/", .query = "wait=30s&" + query});
  poll.open(*made_.handler);
  turns(3);
  EXPECT_FALSE(poll.responded());
  publish("x", "hello");
  EXPECT_TRUE(socket->wait_for_messages(1));
  ASSERT_TRUE(poll.run());
  EXPECT_THAT(poll.body(), HasSubstr("\"hello\""));
}

TEST_F(EventDispatchTest, WhenTheTokenExpiresALongPollIsAnsweredWithNothingMore) {
  make("subscribe = { jwt_secret = \"secret\" }");
  const int64_t expires = seconds_from_now(2);
  const std::string query = "wait=30s&access_token=" +
                            sign("HS256", "secret", fmt::format(R"({{"channels":"*","exp":{}}})", expires));
  testing::FakeCall quiet(worker_.loop, {.path = "/live/quiet", .mount = "/live/", .query = query});
  testing::FakeCall late(worker_.loop, {.path = "/live/x", .mount = "/live/", .query = query});
  quiet.open(*made_.handler);
  late.open(*made_.handler);
  turns(3);
  EXPECT_FALSE(quiet.responded() || late.responded());
  // The worker is busy when it expires, so that the event is there before anybody looks.
  std::this_thread::sleep_until(WallTime() + std::chrono::seconds(expires));
  publish("x", "too late");
  for (testing::FakeCall* poll : {&quiet, &late}) {
    ASSERT_TRUE(poll->run());
    EXPECT_EQ(poll->status(), 200);
    EXPECT_THAT(poll->body(), HasSubstr("{\"events\":[],\"next\":\""));
  }
}

TEST_F(EventDispatchTest, ChangedRightsCountForThoseWhoAreThere) {
  make("subscribe = { jwt_secret = \"secret\" }");
  const auto token = [](const std::string& claims) { return sign("HS256", "secret", claims); };
  auto stays = join(websocket("x", "access_token=" + token(R"({"channels":"x","aud":"live"})")));
  auto goes = join(websocket("x", "access_token=" + token(R"({"channels":"x"})")));
  testing::MadeHandler former = std::move(made_);
  make("subscribe = { jwt_secret = \"secret\", audience = \"live\" }");
  made_.handler->succeed(*former.handler);
  EXPECT_EQ(goes->close_code(), 1008);
  publish("x", "hello");
  ASSERT_TRUE(stays->wait_for_messages(1));
}

// ---------------------------------------------------------------- another target says who may

// Answers 204 when the test says so, and remembers what it was asked.
class Doorman final : public handler::Handler {
 public:
  struct Question final : handler::Session {};
  std::unique_ptr<handler::Session> open(handler::Call& call) override {
    for (const http::Field& field : call.outbound().fields) {
      asked.emplace_back(std::string(field.name), std::string(field.value));
    }
    mount = call.mount();
    call_ = &call;
    return std::make_unique<Question>();
  }
  void allow() { answer(204); }
  void answer(int status, const std::vector<std::string>& challenges = {}) {
    http::ResponseHead head;
    head.status = status;
    for (const std::string& one : challenges) head.fields.add_copy("WWW-Authenticate", one);
    call_->respond(head);
    call_->response_body().end();
  }
  std::vector<std::pair<std::string, std::string>> asked;
  std::string mount;

 private:
  handler::Call* call_ = nullptr;
};

constexpr std::string_view kAsking = "subscribe = { authorize = \"handler.doorman/may\" }";

TEST_F(EventDispatchTest, NobodySpeaksForTheOriginalRequestButWe) {
  make(kAsking);
  Doorman doorman;
  testing::FakeCall call(worker_.loop, with(with(websocket("x"), "x-original-uri", "/live/public"),
                                            "X-Original-Method", "HEAD"));
  call.offer("handler.doorman", doorman);
  call.open(*made_.handler);
  std::vector<std::pair<std::string, std::string>> original;
  for (const auto& one : doorman.asked) {
    if (http::equal_ignoring_case(one.first.substr(0, 10), "x-original")) original.push_back(one);
  }
  EXPECT_EQ(doorman.mount, "/");
  ASSERT_EQ(original.size(), 2u);
  EXPECT_NE(original[0].second, "/live/public");
  EXPECT_EQ(original[1].second, "GET");
  doorman.allow();
  ASSERT_TRUE(testing::run_until(worker_.loop, [&] { return call.responded(); }));
  EXPECT_EQ(call.status(), 101);
}

TEST_F(EventDispatchTest, TheServiceSaysHowItWantsToBeAsked) {
  make(kAsking);
  const auto challenge = [&](int status, const std::vector<std::string>& challenges) {
    Doorman doorman;
    testing::FakeCall call(worker_.loop, stream("x"));
    call.offer("handler.doorman", doorman);
    call.open(*made_.handler);
    doorman.answer(status, challenges);
    EXPECT_TRUE(call.run());
    EXPECT_EQ(call.status(), status);
    return call.field("WWW-Authenticate");
  };
  EXPECT_EQ(challenge(401, {"Basic realm=\"service\""}), "Basic realm=\"service\"");
  EXPECT_EQ(challenge(401, {}), "Bearer realm=\"banyan\"");
  EXPECT_EQ(challenge(403, {"Basic realm=\"service\""}), "");
}

TEST_F(EventDispatchTest, ThePagesAreForThoseWhomTheServiceLetsIn) {
  make(kAsking);
  publish("x", "hello");
  for (const char* page : {"_channels", "_channels/x"}) {
    Doorman doorman;
    testing::FakeCall call(worker_.loop, {.path = std::string("/live/") + page, .mount = "/live/"});
    call.offer("handler.doorman", doorman);
    call.open(*made_.handler);
    turns(3);
    EXPECT_FALSE(call.responded()) << page;
    doorman.allow();
    ASSERT_TRUE(call.run());
    EXPECT_THAT(call.body(), HasSubstr("\"channel\":\"x\"")) << page;
  }
}

TEST_F(EventDispatchTest, WhatTheServiceSaidStandsAsLongAsItIsTheSame) {
  make(kAsking);
  Doorman doorman;
  const auto let_in = [&](EventClient& client) {
    auto request = websocket("x");
    client.ask(*made_.handler, request, {{"handler.doorman", &doorman}});
    doorman.allow();
    ASSERT_TRUE(testing::run_until(worker_.loop, [&] { return client.call().taker() != nullptr; }));
    client.hand_over(alive_);
  };
  EventClient client(worker_.loop);
  let_in(client);
  testing::MadeHandler former = std::move(made_);
  make("subscribe = { authorize = \"handler.doorman/may\", origins = [\"https://a.example\"] }");
  made_.handler->succeed(*former.handler);
  publish("x", "hello");
  ASSERT_TRUE(client.wait_for_messages(1));
  // Another service has to be asked, which only a new request can do.
  former = std::move(made_);
  make("subscribe = { authorize = \"handler.doorman/other\" }");
  made_.handler->succeed(*former.handler);
  EXPECT_EQ(client.close_code(), 1012);
}

// A command is no request that it could be asked with.
TEST_F(EventDispatchTest, TheServiceAllowsTheChannelsOfTheRequestOnly) {
  make(fmt::format("websocket_publish = true\n{}", kAsking));
  Doorman doorman;
  EventClient client(worker_.loop);
  client.ask(*made_.handler, websocket("mine", "channel=too", "banyan.v1"), {{"handler.doorman", &doorman}});
  doorman.allow();
  ASSERT_TRUE(testing::run_until(worker_.loop, [&] { return client.call().taker() != nullptr; }));
  client.hand_over(alive_);
  client.say(R"({"type":"subscribe","channel":"secret","id":1})");
  client.say(R"({"type":"publish","channel":"secret","data":1,"id":2})");
  client.say(R"({"type":"unsubscribe","channel":"too","id":3})");
  client.say(R"({"type":"subscribe","channel":"too","id":4})");
  client.say(R"({"type":"publish","channel":"mine","data":1,"id":5})");
  ASSERT_TRUE(client.wait_for(R"("type":"published")"));
  const std::vector<std::string> heard = client.messages();
  ASSERT_GE(heard.size(), 6u);
  EXPECT_THAT(heard[2], HasSubstr(R"("id":1,"status":403,"detail":"authorize: )"));
  EXPECT_THAT(heard[3], HasSubstr(R"("id":2,"status":403,"detail":"authorize: )"));
  EXPECT_THAT(heard[4], HasSubstr(R"("type":"unsubscribed")"));
  EXPECT_THAT(heard[5], HasSubstr(R"("type":"subscribed","channel":"too","id":4)"));
  EXPECT_FALSE(log_->find("secret")->has_value());
}

TEST_F(EventDispatchTest, ThoseWhoHaveToAskAgainDoNotDoSoAllAtOnce) {
  make();
  std::vector<std::unique_ptr<EventClient>> clients;
  for (int i = 0; i < 300; ++i) clients.push_back(join(websocket("x")));
  testing::MadeHandler former = std::move(made_);
  make(kAsking);
  made_.handler->succeed(*former.handler);
  const auto closed = [&] { return metric(shm::Metric::events_closed, shm::EventClose::rights); };
  EXPECT_EQ(closed(), 0u);
  ASSERT_TRUE(testing::run_until(worker_.loop, [&] { return closed() > 0; }));
  EXPECT_LT(closed(), 200u);
  ASSERT_TRUE(testing::run_until(worker_.loop, [&] { return closed() == 300; }));
  EXPECT_EQ(clients[0]->close_code(), 1012);
}

TEST_F(EventDispatchTest, ALeaveUnderFormerRightsIsWorthNothing) {
  make(kAsking);
  Doorman doorman;
  testing::FakeCall asking(worker_.loop, websocket("x"));
  asking.offer("handler.doorman", doorman);
  asking.open(*made_.handler);
  testing::MadeHandler former = std::move(made_);
  make("subscribe = { jwt_secret = \"secret\" }");
  made_.handler->succeed(*former.handler);
  doorman.allow();
  ASSERT_TRUE(testing::run_until(worker_.loop, [&] { return asking.responded(); }));
  EXPECT_EQ(asking.status(), 503);
  EXPECT_EQ(asking.field("Retry-After"), "1");
}

TEST_F(EventDispatchTest, RightsMayChangeWhileTheAnswerIsOnItsWay) {
  make("subscribe = { jwt_secret = \"secret\" }");
  const shm::EventId first = publish("x", "not for everybody");
  const auto query = [&](const std::string& claims) {
    return fmt::format("since=first&access_token={}", sign("HS256", "secret", claims));
  };
  EXPECT_EQ(first.offset, 1u);
  EventClient stays(worker_.loop), goes(worker_.loop);
  stays.ask(*made_.handler, websocket("x", query(R"({"channels":"x","aud":"live"})")));
  goes.ask(*made_.handler, websocket("x", query(R"({"channels":"x"})")));
  testing::MadeHandler former = std::move(made_);
  make("subscribe = { jwt_secret = \"secret\", audience = \"live\" }");
  made_.handler->succeed(*former.handler);
  stays.hand_over(alive_);
  goes.hand_over(alive_);
  EXPECT_EQ(goes.close_code(), 1008);
  EXPECT_THAT(goes.messages(), ::testing::IsEmpty());
  ASSERT_TRUE(stays.wait_for_messages(1));
}

// ---------------------------------------------------------------- long-poll and pages

testing::FakeRequest get(std::string path, std::string query = {}) {
  return {.path = "/live/" + path, .mount = "/live/", .query = std::move(query)};
}

TEST_F(EventDispatchTest, ALongPollWaitsForEvents) {
  make();
  testing::FakeCall call(worker_.loop, get("x", "wait=30s"));
  call.open(*made_.handler);
  turns(3);
  EXPECT_FALSE(call.responded());
  const shm::EventId id = publish("x", "hello");
  ASSERT_TRUE(call.run());
  EXPECT_EQ(call.status(), 200);
  EXPECT_EQ(
      call.body(),
      fmt::format(R"({{"events":[{{"channel":"x","epoch":{0},"offset":1,"data":"hello"}}],"next":"{0}:1"}})"
                  "\n",
                  id.epoch));
  publish("x", "two");
  publish("x", "three");
  testing::FakeCall next(worker_.loop, get("x", "wait=30s&since=" + shm::to_text(id)));
  next.open(*made_.handler);
  ASSERT_TRUE(next.run());
  EXPECT_THAT(next.body(), HasSubstr("\"two\""));
  EXPECT_THAT(next.body(), HasSubstr(fmt::format("\"next\":\"{}:3\"", id.epoch)));
  EXPECT_EQ(log_->find("x")->value().subscribers, 0u);
}

TEST_F(EventDispatchTest, ALongPollEndsWithNothing) {
  make();
  publish("x", "before");
  testing::FakeCall call(worker_.loop, get("x", "wait=1ms"));
  call.open(*made_.handler);
  ASSERT_TRUE(call.run());
  EXPECT_THAT(call.body(), HasSubstr("{\"events\":[],\"next\":\""));
  EXPECT_THAT(call.body(), HasSubstr(":1\"}"));
  testing::FakeCall lost(worker_.loop, get("x", "wait=10s&since=1:1"));
  lost.open(*made_.handler);
  ASSERT_TRUE(lost.run());
  EXPECT_THAT(lost.body(), HasSubstr("\"gaps\":[{\"channel\":\"x\""));
  EXPECT_THAT(lost.body(), HasSubstr("\"before\""));
}

TEST_F(EventDispatchTest, ALongPollWaitsNoLongerThanItMay) {
  make("max_wait = \"1s\"");
  testing::FakeCall call(worker_.loop, get("x", "wait=1h"));
  const TimePoint begun = MonotonicClock::now();
  call.open(*made_.handler);
  ASSERT_TRUE(call.run());
  EXPECT_THAT(call.body(), HasSubstr("{\"events\":[]"));
  EXPECT_GE(MonotonicClock::now() - begun, std::chrono::seconds(1));
}

TEST_F(EventDispatchTest, ADrainAnswersLongPollsThoseThatComeToo) {
  make();
  auto socket = join(websocket("y"));
  testing::FakeCall before(worker_.loop, get("x", "wait=1h"));
  before.open(*made_.handler);
  made_.handler->drain(std::chrono::hours(1));
  ASSERT_TRUE(before.run());
  EXPECT_THAT(before.body(), HasSubstr("\"next\":"));
  testing::FakeCall after(worker_.loop, get("x", "wait=1h"));
  after.open(*made_.handler);
  ASSERT_TRUE(after.run());
  EXPECT_THAT(after.body(), HasSubstr("\"next\":"));
}

TEST_F(EventDispatchTest, ALongPollIsAnsweredInPortions) {
  make("memory = \"16m\"");
  constexpr size_t kChannels = 20, kEach = 5;
  std::string query = "wait=1s&since=first", since = query;
  for (size_t i = 0; i < kChannels; ++i) {
    query += fmt::format("&channel=c{}", i);
    if (i > 0) query += "&since=first";
    for (size_t j = 0; j < kEach; ++j) publish(fmt::format("c{}", i), std::string(60'000, 'x'));
  }
  size_t got = 0;
  for (int answers = 0; got < kChannels * kEach && answers < 100; ++answers) {
    testing::FakeCall call(worker_.loop, get("", query));
    call.open(*made_.handler);
    ASSERT_TRUE(call.run());
    ASSERT_EQ(call.status(), 200);
    EXPECT_LT(call.body().size(), 400'000u);
    EXPECT_THAT(call.body(), ::testing::Not(HasSubstr("\"gaps\"")));
    for (size_t at = 0; (at = call.body().find("\"data\"", at)) != std::string::npos; ++at) ++got;
    const size_t next = call.body().find("\"next\":\"") + 8;
    query.erase(query.find("since="));
    query += "since=" + call.body().substr(next, call.body().find('"', next) - next);
    for (size_t i = 0; i < kChannels; ++i) query += fmt::format("&channel=c{}", i);
  }
  EXPECT_EQ(got, kChannels * kEach);
}

TEST_F(EventDispatchTest, PagesSayWhoListens) {
  make();
  auto one = join(websocket("x"));
  auto two = join(stream("x", "channel=y"));
  publish("x", "hello");
  testing::FakeCall call(worker_.loop, get("_channels/x"));
  call.open(*made_.handler);
  ASSERT_TRUE(call.run());
  EXPECT_THAT(call.body(),
              ::testing::MatchesRegex(
                  R"(\{"channel":"x","subscribers":2,"epoch":[0-9]+,"offset":1,"age_ms":[0-9]+\}.)"));
  testing::FakeCall all(worker_.loop, get("_channels"));
  all.open(*made_.handler);
  ASSERT_TRUE(all.run());
  EXPECT_THAT(all.body(), HasSubstr(R"({"channel":"x","subscribers":2)"));
  EXPECT_THAT(all.body(), HasSubstr(R"({"channel":"y","subscribers":1)"));
  EXPECT_THAT(all.body(), ::testing::EndsWith("\n]}\n"));
  testing::FakeCall none(worker_.loop, get("_channels/z"));
  none.open(*made_.handler);
  ASSERT_TRUE(none.run());
  EXPECT_EQ(none.status(), 404);
}

}  // namespace
}  // namespace banyan::handlers
