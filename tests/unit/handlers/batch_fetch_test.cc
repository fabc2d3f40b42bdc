// batch_fetch against a store that behaves and misbehaves.
#include <set>

#include "handlers/batch_fetch/sigv4.h"
#include "unit/handlers/batch_fetch_fixture.h"

namespace banyan::handlers {
namespace {

using ::testing::HasSubstr;

TEST_F(BatchFetchTest, AnswersWithAllObjectsInTheOrderOfTheKeys) {
  MadeHandler made = make();
  FakeCall call(worker.loop, ask({"z", "a", "none-1", "bytes-1", "m", "z"}));
  call.open(*made.handler);
  ASSERT_TRUE(call.run());
  EXPECT_EQ(call.field("Content-Type"), "application/json");
  EXPECT_EQ(call.field("Banyan-Complete"), "true");
  EXPECT_EQ(call.field("Cache-Control"), "no-store");
  EXPECT_EQ(call.body(),
            "{\"complete\":true,\"results\":{"
            "\"z\":{\"status\":200,\"content_type\":\"text/plain\",\"etag\":\"\\\"e\\\"\",\"body\":\"z\"},"
            "\"a\":{\"status\":200,\"content_type\":\"text/plain\",\"etag\":\"\\\"e\\\"\",\"body\":\"a\"},"
            "\"none-1\":{\"status\":404},"
            "\"bytes-1\":{\"status\":200,\"content_type\":\"image/"
            "gif\",\"etag\":\"\\\"e\\\"\",\"body_base64\":\"/wD+\"},"
            "\"m\":{\"status\":200,\"content_type\":\"text/plain\",\"etag\":\"\\\"e\\\"\",\"body\":\"m\"}"
            "},\"missing\":[],\"errors\":{}}");
  EXPECT_EQ(store.requests().size(), 5u);  // the duplicate is asked for once
  const auto& numbers = call.notes().numbers;
  ASSERT_EQ(numbers.size(), 3u);
  EXPECT_EQ(numbers[0], (std::pair<std::string_view, uint64_t>("keys", 5)));
  EXPECT_EQ(numbers[1], (std::pair<std::string_view, uint64_t>("delivered", 5)));
  EXPECT_EQ(numbers[2], (std::pair<std::string_view, uint64_t>("missing", 0)));
}

TEST_F(BatchFetchTest, AnswersAtTheDeadlineWithWhatItHas) {
  MadeHandler made = make();
  fetch(*made.handler, {"warm"});
  FakeCall call(worker.loop, ask({"quick", "stall-1", "none-1", "half-1"}, 300));
  call.open(*made.handler);
  ASSERT_TRUE(call.run());
  EXPECT_LE(call.finished_at() - call.arrived(), 300ms + kSlack);
  EXPECT_GE(call.finished_at() - call.arrived(), 290ms);
  EXPECT_EQ(call.field("Banyan-Complete"), "false");
  const auto answer = read(call);
  EXPECT_EQ(answer["complete"], false);
  EXPECT_EQ(answer["results"].size(), 2u);
  EXPECT_EQ(answer["missing"], json({"stall-1", "half-1"}));
  EXPECT_EQ(answer["errors"], json({{"stall-1", "timeout"}, {"half-1", "timeout"}}));
  EXPECT_EQ(call.notes().numbers[2].second, 2u);
  // Late fetches are let go after a while.
  EXPECT_TRUE(run_until(
      worker.loop, [&] { return store.open() == 0; }, 5s));
}

TEST_F(BatchFetchTest, TheTimeCountsFromTheArrivalOfTheHead) {
  MadeHandler made = make();
  fetch(*made.handler, {"warm"});
  const std::string body = json{{"keys", {"stall-1", "quick"}}, {"timeout_ms", 400}}.dump();
  FakeCall call(worker.loop, {.method = "POST", .body = std::nullopt});
  call.open(*made.handler);
  call.send(body.substr(0, 5));
  EXPECT_FALSE(run_until(
      worker.loop, [&] { return call.done(); }, 200ms));
  call.send(body.substr(5));
  call.end_request();
  ASSERT_TRUE(call.run());
  EXPECT_LE(call.finished_at() - call.arrived(), 400ms + kSlack);
  EXPECT_EQ(read(call)["results"].size(), 1u);
}

TEST_F(BatchFetchTest, TheRoutesDeadlineCountsToo) {
  MadeHandler made = make();
  testing::FakeRequest request = ask({"stall-1"}, 10'000);
  request.deadline = 200ms;
  FakeCall call(worker.loop, request);
  call.open(*made.handler);
  ASSERT_TRUE(call.run());
  EXPECT_LE(call.finished_at() - call.arrived(), 200ms + kSlack);
  EXPECT_EQ(read(call)["errors"]["stall-1"], "timeout");
}

TEST_F(BatchFetchTest, ABodyThatDoesNotComeIs408) {
  MadeHandler made = make("default_timeout = \"50ms\"\nmax_timeout = \"200ms\"");
  FakeCall call(worker.loop, {.method = "POST", .body = std::nullopt});
  call.open(*made.handler);
  call.send("{\"keys\":");
  ASSERT_TRUE(call.run());
  EXPECT_EQ(call.status(), 408);
  EXPECT_LE(call.finished_at() - call.arrived(), 200ms + kSlack);
}

TEST_F(BatchFetchTest, ABodyThatComesAfterItsTimeIsAnsweredAtOnceAndAsksNothing) {
  MadeHandler made = make();
  FakeCall call(worker.loop, {.method = "POST", .body = std::nullopt});
  call.open(*made.handler);
  EXPECT_FALSE(run_until(
      worker.loop, [&] { return call.done(); }, 60ms));
  call.send(json{{"keys", {"a"}}, {"timeout_ms", 50}}.dump());
  call.end_request();
  ASSERT_TRUE(call.run());
  EXPECT_EQ(read(call)["errors"]["a"], "timeout");
  EXPECT_TRUE(asked().empty());
}

TEST_F(BatchFetchTest, EachFailureHasItsName) {
  MadeHandler made = make("max_object = \"100k\"");
  const auto answer =
      fetch(*made.handler, {"cut-1", "reset-1", "busy-1", "large-1", "nonsense-1", "denied-1", "fine"});
  EXPECT_EQ(answer["complete"], false);
  EXPECT_EQ(answer["errors"]["cut-1"], "reset");
  EXPECT_EQ(answer["errors"]["reset-1"], "reset");
  EXPECT_EQ(answer["errors"]["busy-1"], "http_503");
  EXPECT_EQ(answer["errors"]["large-1"], "too_large");
  EXPECT_EQ(answer["errors"]["nonsense-1"], "protocol");
  EXPECT_EQ(answer["missing"], json({"cut-1", "reset-1", "busy-1", "large-1", "nonsense-1"}));
  EXPECT_EQ(answer["results"]["denied-1"], json({{"status", 403}, {"code", "AccessDenied"}}));
  EXPECT_EQ(answer["results"]["fine"]["status"], 200);
}

TEST_F(BatchFetchTest, AStoreThatIsDownGivesErrors) {
  MadeHandler made =
      worker.make(all_handlers(), "type = \"batch_fetch\"\norigin = \"http://127.0.0.1:1/bucket\"");
  ASSERT_TRUE(made.handler) << made.problem;
  const auto answer = fetch(*made.handler, {"a", "b"});
  EXPECT_EQ(answer["errors"], json({{"a", "connect"}, {"b", "connect"}}));
  EXPECT_EQ(answer["results"], json::object());
}

TEST_F(BatchFetchTest, LargeAnswersAreWhole) {
  MadeHandler made = make();
  std::vector<std::string> keys;
  for (int i = 0; i < 100; ++i) keys.push_back(fmt::format("{}-{}", i % 3 ? "small" : "large", i));
  const auto answer = fetch(*made.handler, keys);
  ASSERT_EQ(answer["results"].size(), 100u);
  size_t i = 0;
  for (const auto& [key, result] : answer["results"].items()) {
    EXPECT_EQ(key, keys[i]);
    EXPECT_EQ(result["body"].get<std::string>().size(), i % 3 ? keys[i].size() : 200'000);
    ++i;
  }
}

TEST_F(BatchFetchTest, KeysOfAllKindsAreSentEncodedAndUnchanged) {
  MadeHandler made = make();
  const std::vector<std::string> keys = {"with space",
                                         "a+b",
                                         "50%",
                                         "what?",
                                         "x#y",
                                         "p\xc3\xa4th/\xf0\x9f\x8c\xb3",
                                         ".hidden",
                                         "..a",
                                         "a//b",
                                         "/lead",
                                         "tail/",
                                         "a\r\nX-Evil: 1",
                                         "http://127.0.0.1:1/x"};
  fetch(*made.handler, keys);
  const std::vector<std::string> sent = asked();
  const std::set<std::string> paths(sent.begin(), sent.end());
  for (const std::string& key : keys) EXPECT_EQ(paths.count("/bucket/" + encode_path(key)), 1u) << key;
  for (const StoreRequest& request : store.requests()) {
    EXPECT_EQ(request.fields.count("x-evil"), 0u);
    EXPECT_EQ(request.fields.at("host"), fmt::format("127.0.0.1:{}", store.port()));
    EXPECT_EQ(request.fields.count("authorization"), 0u);
  }
}

// The store computes the signature from what arrives.
TEST_F(BatchFetchTest, SignsWhatItSends) {
  Signer checker({"AKIA", "secret", "token"}, "eu-west-3", "s3");
  std::string last_date;
  TestStore strict([&](const StoreRequest& request) {
    const auto field = [&](const char* name) {
      auto found = request.fields.find(name);
      return found == request.fields.end() ? std::string() : found->second;
    };
    const std::string host = field("host"), hash = field("x-amz-content-sha256"), date = field("x-amz-date"),
                      token = field("x-amz-security-token");
    SignedRequest signed_request;
    signed_request.path = request.path;
    signed_request.fields = {{"host", host},
                             {"x-amz-content-sha256", hash},
                             {"x-amz-date", date},
                             {"x-amz-security-token", token}};
    if (date.size() != 16 || hash != kEmptyPayloadHash || token != "token") return StoreReply::status(400);
    return field("authorization") == checker.authorization(signed_request, date)
               ? StoreReply::object("text/plain", "signed")
               : StoreReply::status(403, "<Error><Code>SignatureDoesNotMatch</Code></Error>");
  });
  const auto make_with = [&](std::string_view secret) {
    MadeHandler made = worker.make(
        all_handlers(),
        fmt::format("type = \"batch_fetch\"\norigin = \"{}\"\nauth = \"sigv4\"\nregion = \"eu-west-3\"\n"
                    "access_key = \"AKIA\"\nsecret_key = \"{}\"\nsession_token = \"token\"",
                    strict.origin(), secret));
    EXPECT_TRUE(made.handler) << made.problem;
    return made;
  };
  MadeHandler made = make_with("secret");
  const std::vector<std::string> keys = {
      "a",     "with space", "a+b",  "50%",   "what?",  "p\xc3\xa4th/\xf0\x9f\x8c\xb3",
      "../up", "a/./b",      "a//b", "/lead", "~tilde", "(x)*!'"};
  const auto answer = fetch(*made.handler, keys);
  for (const std::string& key : keys) EXPECT_EQ(answer["results"][key]["body"], "signed") << key;

  MadeHandler wrong = make_with("guess");
  EXPECT_EQ(fetch(*wrong.handler, {"a"})["results"]["a"],
            json({{"status", 403}, {"code", "SignatureDoesNotMatch"}}));
}

TEST_F(BatchFetchTest, FetchesAtTheSameTimeButNotWithoutLimit) {
  MadeHandler made = make("concurrency = 12");
  std::vector<std::string> keys;
  for (int i = 0; i < 30; ++i) keys.push_back(fmt::format("held-{}", i));
  FakeCall call(worker.loop, ask(keys));
  call.open(*made.handler);
  ASSERT_TRUE(run_until(worker.loop, [&] { return store.open() == 8; }));  // two thirds
  store.release();
  ASSERT_TRUE(call.run());
  EXPECT_EQ(read(call)["complete"], true);
  EXPECT_LE(store.most_open(), 12u);
}

TEST_F(BatchFetchTest, ConnectionsAreKept) {
  MadeHandler made = make();
  for (int i = 0; i < 20; ++i) fetch(*made.handler, {fmt::format("one-{}", i)});
  EXPECT_EQ(store.requests().size(), 20u);
  EXPECT_EQ(store.accepted(), 1u);
}

TEST_F(BatchFetchTest, GreedyClientsLeaveRoomForOthers) {
  MadeHandler made = make("concurrency = 64");
  std::vector<std::unique_ptr<FakeCall>> greedy;
  for (int i = 0; i < 10; ++i) {
    std::vector<std::string> keys;
    for (int k = 0; k < 100; ++k) keys.push_back(fmt::format("stall-{}-{}", i, k));
    greedy.push_back(std::make_unique<FakeCall>(worker.loop, ask(keys, 3000)));
    greedy.back()->open(*made.handler);
  }
  ASSERT_TRUE(run_until(worker.loop, [&] { return store.open() >= 50; }));
  FakeCall modest(worker.loop, ask({"one", "two", "three"}, 2000));
  modest.open(*made.handler);
  ASSERT_TRUE(modest.run());
  EXPECT_EQ(read(modest)["complete"], true);
  EXPECT_LT(modest.finished_at() - modest.arrived(), 1s);
  for (auto& call : greedy) EXPECT_FALSE(call->done());
}

// What stalls for one batch does not hold slots for ever: the next batch gets them.
TEST_F(BatchFetchTest, SlotsComeBackFromStalledFetches) {
  MadeHandler made = make("concurrency = 2");
  for (int i = 0; i < 3; ++i) {
    const std::string n = std::to_string(i);
    EXPECT_EQ(fetch(*made.handler, {"stall-a" + n, "stall-b" + n, "stall-c" + n}, 100)["missing"].size(), 3u);
  }
  const auto answer = fetch(*made.handler, {"a", "b", "c", "d"});
  EXPECT_EQ(answer["complete"], true);
}

// A late fetch may end: its connection is used again.
TEST_F(BatchFetchTest, LateFetchesKeepTheirConnections) {
  MadeHandler made = make("concurrency = 16");
  FakeCall call(worker.loop, ask({"held-1"}, 300));
  call.open(*made.handler);
  ASSERT_TRUE(call.run());
  EXPECT_EQ(read(call)["errors"]["held-1"], "timeout");
  EXPECT_EQ(store.open(), 1u);
  store.release();
  ASSERT_TRUE(run_until(worker.loop, [&] { return store.open() == 0; }));
  fetch(*made.handler, {"next"});
  EXPECT_EQ(store.accepted(), 1u);
}

TEST_F(BatchFetchTest, AClientThatGoesEndsItsFetchesSoon) {
  MadeHandler made = make();
  FakeCall call(worker.loop, ask({"stall-1", "stall-2"}, 9000));
  call.open(*made.handler);
  ASSERT_TRUE(run_until(worker.loop, [&] { return store.open() == 2; }));
  call.hang_up();
  EXPECT_TRUE(run_until(
      worker.loop, [&] { return store.open() == 0; }, 3s));
  EXPECT_FALSE(call.done());
}

TEST_F(BatchFetchTest, TheHandlerMayEndWhileLateFetchesAreUnderWay) {
  MadeHandler made = make();
  EXPECT_EQ(fetch(*made.handler, {"stall-1"}, 50)["missing"].size(), 1u);
  made.handler.reset();
  EXPECT_TRUE(run_until(worker.loop, [&] { return store.open() == 0; }));
}

TEST_F(BatchFetchTest, BadRequestsAreProblems) {
  MadeHandler made = make("max_keys = 2");
  const std::pair<const char*, int> kBodies[] = {{"", 400},
                                                 {"nonsense", 400},
                                                 {"[]", 422},
                                                 {"{\"keys\":[\"a\",\"b\",\"c\"]}", 422},
                                                 {"{\"keys\":[\"../a\"]}", 422}};
  for (const auto& [body, status] : kBodies) {
    FakeCall call(worker.loop, post(body));
    call.open(*made.handler);
    ASSERT_TRUE(call.run());
    EXPECT_EQ(call.status(), status) << body;
    EXPECT_EQ(call.field("Content-Type"), "application/problem+json");
    EXPECT_EQ(json::parse(call.body())["status"], status);
  }
  FakeCall wrong(worker.loop, post("{\"keys\":[\"a\",7]}"));
  wrong.open(*made.handler);
  ASSERT_TRUE(wrong.run());
  EXPECT_EQ(json::parse(wrong.body())["detail"], "keys[1]: must be a string, not a number");
  EXPECT_TRUE(asked().empty());
}

TEST_F(BatchFetchTest, BodiesThatAreTooLongAre413) {
  MadeHandler made = make("max_keys = 1");
  FakeCall announced(worker.loop, {.method = "POST", .body = std::nullopt, .announced = 1'000'000});
  announced.open(*made.handler);
  ASSERT_TRUE(announced.run());
  EXPECT_EQ(announced.status(), 413);
  FakeCall streamed(worker.loop, {.method = "POST", .body = std::nullopt});
  streamed.open(*made.handler);
  streamed.send(std::string(20'000, ' '));
  ASSERT_TRUE(streamed.run());
  EXPECT_EQ(streamed.status(), 413);
}

TEST_F(BatchFetchTest, OtherMethodsAndEncodedBodiesAreRefused) {
  MadeHandler made = make();
  FakeCall get(worker.loop, {});
  get.open(*made.handler);
  ASSERT_TRUE(get.run());
  EXPECT_EQ(get.status(), 405);
  EXPECT_EQ(get.field("Allow"), "POST");
  FakeCall packed(worker.loop, {.method = "POST", .fields = {{"Content-Encoding", "gzip"}}, .body = "x"});
  packed.open(*made.handler);
  ASSERT_TRUE(packed.run());
  EXPECT_EQ(packed.status(), 415);
}

TEST_F(BatchFetchTest, ABodyThatBreaksOffFailsTheCall) {
  MadeHandler made = make("max_timeout = \"2s\"");
  FakeCall call(worker.loop, {.method = "POST", .body = std::nullopt});
  call.open(*made.handler);
  call.send("{\"keys\"");
  call.break_request(client_error(400, "gone"));
  ASSERT_TRUE(call.run());
  ASSERT_TRUE(call.failure());
  EXPECT_EQ(call.failure()->message, "gone");
}

TEST_F(BatchFetchTest, LinesComeAsTheObjectsDo) {
  MadeHandler made = make();
  testing::FakeRequest request = ask({"held-1", "quick", "busy-1", "stall-1"}, 1500);
  request.fields = {{"Accept", "application/json; q=0.9, application/x-ndjson"}};
  FakeCall call(worker.loop, request);
  call.open(*made.handler);
  ASSERT_TRUE(
      run_until(worker.loop, [&] { return std::count(call.body().begin(), call.body().end(), '\n') == 2; }));
  EXPECT_FALSE(call.done());
  EXPECT_EQ(call.field("Content-Type"), "application/x-ndjson");
  EXPECT_EQ(call.length().kind, http::BodyKind::streamed);
  store.release();
  ASSERT_TRUE(call.run());
  EXPECT_LE(call.finished_at() - call.arrived(), 1500ms + kSlack);
  std::map<std::string, json> lines;
  std::istringstream text(call.body());
  for (std::string line; std::getline(text, line);) {
    const json object = json::parse(line);
    lines[object["key"]] = object;
  }
  EXPECT_EQ(lines.size(), 4u);
  EXPECT_EQ(lines["quick"]["body"], "quick");
  EXPECT_EQ(lines["held-1"]["status"], 200);
  EXPECT_EQ(lines["busy-1"], json({{"key", "busy-1"}, {"error", "http_503"}}));
  EXPECT_EQ(lines["stall-1"], json({{"key", "stall-1"}, {"error", "timeout"}}));
  const http::Field* trailer = call.response_pipe().reader().trailers().find("Banyan-Complete");
  ASSERT_NE(trailer, nullptr);
  EXPECT_EQ(trailer->value, "false");
}

// A streamed answer may be longer than what is held of it.
TEST_F(BatchFetchTest, WhatAClientDoesNotReadIsNotFetched) {
  MadeHandler made = make("concurrency = 4\nmax_answer = \"2m\"");
  std::vector<std::string> keys;
  for (int i = 0; i < 100; ++i) keys.push_back(fmt::format("large-{}", i));
  testing::FakeRequest request = ask(keys);
  request.fields = {{"Accept", "application/x-ndjson"}};
  FakeCall call(worker.loop, request);
  call.hold_back(true);
  call.open(*made.handler);
  ASSERT_TRUE(run_until(worker.loop, [&] { return call.response_pipe().reader().size() > 200'000; }));
  EXPECT_EQ(fetch(*made.handler, {"another"})["complete"], true);
  EXPECT_LT(store.requests().size(), 10u);
  call.hold_back(false);
  ASSERT_TRUE(call.run());
  EXPECT_EQ(call.body().find("error"), std::string::npos);
  EXPECT_GT(call.body().size(), 100 * 200'000u);
}

// More is under way than the answer may hold, as nobody knew how long objects are. None is lost for that.
TEST_F(BatchFetchTest, WhatComesWithoutRoomIsFetchedAgain) {
  MadeHandler made = make("concurrency = 64\nmax_answer = \"1m\"");
  std::vector<std::string> keys;
  for (int i = 0; i < 100; ++i) keys.push_back(fmt::format("large-{}", i));
  testing::FakeRequest request = ask(keys);
  request.fields = {{"Accept", "application/x-ndjson"}};
  FakeCall call(worker.loop, request);
  call.hold_back(true);
  call.open(*made.handler);
  ASSERT_TRUE(run_until(worker.loop, [&] { return call.response_pipe().reader().size() > 600'000; }));
  call.hold_back(false);
  ASSERT_TRUE(call.run());
  EXPECT_EQ(call.body().find("error"), std::string::npos);
  EXPECT_GT(call.body().size(), 100 * 200'000u);
  EXPECT_LT(store.requests().size(), 200u);
}

TEST_F(BatchFetchTest, LinesAreOnlyForThoseWhoPreferThem) {
  MadeHandler made = make();
  for (const char* accept : {"*/*", "application/json, application/x-ndjson", "text/html"}) {
    testing::FakeRequest request = ask({"a"});
    request.fields = {{"Accept", accept}};
    FakeCall call(worker.loop, request);
    call.open(*made.handler);
    ASSERT_TRUE(call.run());
    EXPECT_EQ(call.field("Content-Type"), "application/json") << accept;
  }
}

TEST_F(BatchFetchTest, OptionsThatDoNotFitAreRefused) {
  const auto problem = [&](std::string_view keys) {
    return worker.make(all_handlers(), fmt::format("type = \"batch_fetch\"\n{}", keys)).problem;
  };
  const std::string origin = "origin = \"http://h/b\"\n";
  EXPECT_THAT(problem(""), HasSubstr("handler.test.origin: is missing"));
  EXPECT_THAT(problem("origin = \"h\""),
              HasSubstr("handler.test.origin: must begin with http:// or https://"));
  EXPECT_THAT(problem(origin + "auth = \"sigv4\"\naccess_key = \"a\""),
              HasSubstr("handler.test.secret_key: is needed beside access_key"));
  unsetenv("AWS_ACCESS_KEY_ID");
  EXPECT_THAT(
      problem(origin + "auth = \"sigv4\""),
      HasSubstr("handler.test.access_key: is needed with auth = \"sigv4\", here or as AWS_ACCESS_KEY_ID"));
  EXPECT_THAT(problem(origin + "secret_key = \"a\""), HasSubstr("secret_key: has no effect without auth"));
  EXPECT_THAT(problem(origin + "default_timeout = \"20s\"\nmax_timeout = \"1s\""),
              HasSubstr("handler.test.default_timeout: must not be above max_timeout"));
  EXPECT_EQ(problem(origin + "max_timeout = \"1s\""), "");
  EXPECT_THAT(problem(origin + "max_keys = 0"), HasSubstr("handler.test.max_keys: "));
  EXPECT_THAT(problem(origin + "concurency = 5"), HasSubstr("did you mean concurrency"));
  EXPECT_THAT(problem(origin + "hedge = { budgt = 3 }"), HasSubstr("did you mean budget"));
  EXPECT_THAT(problem(origin + "cache = { size = \"10k\" }"), HasSubstr("handler.test.cache.size: "));
  EXPECT_THAT(problem(origin + "retry = { attempts = 11 }"), HasSubstr("handler.test.retry.attempts: "));
  EXPECT_THAT(problem("origin = \"http://h\"\nstyle = \"virtual_host\""),
              HasSubstr("handler.test.style: needs"));
}

}  // namespace
}  // namespace banyan::handlers
