// batch_fetch: second attempts, regions, redirects, hedging, TLS; and the forms of its answers.
#include <zlib.h>

#include <atomic>

#include "base/log.h"
#include "handlers/batch_fetch/gzip.h"
#include "unit/handlers/batch_fetch_fixture.h"

namespace banyan::handlers {
namespace {

struct AttemptsTest : BatchFetchTest {
  MadeHandler make_for(const TestStore& which, std::string_view keys = "") {
    MadeHandler made = worker.make(
        all_handlers(), fmt::format("type = \"batch_fetch\"\norigin = \"{}\"\n{}", which.origin(), keys));
    EXPECT_TRUE(made.handler) << made.problem;
    return made;
  }
  static constexpr std::string_view kSigned =
      "auth = \"sigv4\"\naccess_key = \"a\"\nsecret_key = \"s\"\nregion = \"us-east-1\"\n";
};

TEST_F(AttemptsTest, WhatMayPassIsTriedAgain) {
  std::map<std::string, int> tries;
  TestStore flaky([&](const StoreRequest& request) {
    const int n = ++tries[request.path];
    if (n == 1) return StoreReply::status(503, "<Error><Code>SlowDown</Code></Error>");
    if (n == 2) return StoreReply{"", StoreReply::Then::close};
    return StoreReply::object("text/plain", "third");
  });
  MadeHandler made = make_for(flaky, "retry = { attempts = 2, backoff = \"5ms\" }");
  EXPECT_EQ(fetch(*made.handler, {"a"})["results"]["a"]["body"], "third");
  MadeHandler once = make_for(flaky, "retry = { attempts = 0 }");
  EXPECT_EQ(fetch(*once.handler, {"b"})["errors"]["b"], "http_503");
}

TEST_F(AttemptsTest, NothingIsTriedAgainThatWouldComeTooLate) {
  MadeHandler made = make("retry = { attempts = 5, backoff = \"10s\" }");
  const auto began = worker.loop.fresh_now();
  EXPECT_EQ(fetch(*made.handler, {"busy-1"}, 2000)["errors"]["busy-1"], "http_503");
  EXPECT_LT(worker.loop.fresh_now() - began, 1500ms);
}

TEST_F(AttemptsTest, AKeptConnectionThatWasClosedIsNoFailure) {
  std::atomic<int> count = 0;
  TestStore closing([&](const StoreRequest&) {
    // Keep-alive is promised, and the second request finds the connection closed.
    StoreReply reply = StoreReply::object("text/plain", "x");
    if (++count == 2) reply = {"", StoreReply::Then::close};
    return reply;
  });
  MadeHandler made = make_for(closing, "retry = { attempts = 0 }");
  EXPECT_EQ(fetch(*made.handler, {"a"})["results"]["a"]["body"], "x");
  EXPECT_EQ(fetch(*made.handler, {"b"})["results"]["b"]["body"], "x");
  EXPECT_EQ(count, 3);
}

std::string region_of(const StoreRequest& request) {
  const std::string& authorization = request.fields.at("authorization");
  const size_t day = authorization.find('/') + 10;
  return authorization.substr(day, authorization.find('/', day) - day);
}

TEST_F(AttemptsTest, TheRegionThatTheStoreNamesIsLearnt) {
  for (const int status : {400, 301, 307}) {
    std::atomic<int> wrong = 0;
    TestStore far([&](const StoreRequest& request) {
      if (region_of(request) == "eu-west-3") return StoreReply::object("text/plain", "here");
      ++wrong;
      if (status == 400) {
        return StoreReply::status(
            400, "<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-west-3</Region></Error>");
      }
      return StoreReply{fmt::format(
          "HTTP/1.1 {} X\r\nx-amz-bucket-region: eu-west-3\r\nContent-Length: 0\r\n\r\n", status)};
    });
    MadeHandler made = make_for(far, kSigned);
    EXPECT_EQ(fetch(*made.handler, {"a"})["results"]["a"]["body"], "here") << status;
    EXPECT_EQ(fetch(*made.handler, {"b", "c"})["complete"], true);
    EXPECT_EQ(wrong, 1);
  }
}

TEST_F(AttemptsTest, RedirectsWithinTheStoresHostAreFollowedOnce) {
  TestStore target(
      [](const StoreRequest& request) { return StoreReply::object("text/plain", request.path); });
  std::string location;
  TestStore origin([&](const StoreRequest&) {
    return StoreReply{fmt::format("HTTP/1.1 307 X\r\nLocation: {}\r\nContent-Length: 0\r\n\r\n", location)};
  });
  MadeHandler made = make_for(origin);
  location = fmt::format("http://127.0.0.1:{}/bucket/a?x", target.port());
  EXPECT_EQ(fetch(*made.handler, {"a"})["results"]["a"]["body"], "/bucket/a");
  for (const char* elsewhere :
       {"http://127.0.0.2:1/a", "https://127.0.0.1:1/a", "http://other.example/a", "x"}) {
    location = elsewhere;
    EXPECT_EQ(fetch(*made.handler, {"b"})["errors"]["b"], "http_307") << elsewhere;
  }
  location = fmt::format("http://127.0.0.1:{}/x", origin.port());  // in circles
  EXPECT_EQ(fetch(*made.handler, {"c"})["errors"]["c"], "http_307");
}

TEST_F(AttemptsTest, BucketsMayBeNamedByTheHost) {
  MadeHandler made = make("style = \"virtual_host\"");
  fetch(*made.handler, {"a/b"});
  ASSERT_EQ(store.requests().size(), 1u);
  EXPECT_EQ(store.requests()[0].path, "/a/b");
  EXPECT_EQ(store.requests()[0].fields.at("host"), fmt::format("bucket.127.0.0.1:{}", store.port()));
}

TEST_F(AttemptsTest, ASecondAttemptBesideASlowOne) {
  std::atomic<int> stalls = 0;
  TestStore slow([&](const StoreRequest& request) {
    if (request.path == "/bucket/slow" && ++stalls == 1) return StoreReply{"", StoreReply::Then::stall};
    return StoreReply::object("text/plain", "x");
  });
  MadeHandler made = make_for(slow, "hedge = { budget = 50 }");  // not used up by a slow machine
  for (int i = 0; i < 30; ++i) fetch(*made.handler, {fmt::format("warm-{}", i)});
  const auto began = worker.loop.fresh_now();
  EXPECT_EQ(fetch(*made.handler, {"slow"}, 5000)["complete"], true);
  EXPECT_LT(worker.loop.fresh_now() - began, 2s);
  EXPECT_EQ(stalls, 2);
}

TEST_F(AttemptsTest, SecondAttemptsHaveABudget) {
  MadeHandler made = make("hedge = true");
  for (int i = 0; i < 40; ++i) fetch(*made.handler, {fmt::format("warm-{}", i)});
  std::vector<std::string> keys;
  for (int i = 0; i < 20; ++i) keys.push_back(fmt::format("stall-{}", i));
  const size_t before = store.requests().size();
  fetch(*made.handler, keys, 500);
  EXPECT_LE(store.requests().size() - before, 20u + 3u);  // 5% of 60
}

// ---------------------------------------------------------------- forms

std::string gunzip(std::string_view packed) {
  z_stream stream{};
  EXPECT_EQ(inflateInit2(&stream, 15 + 16), Z_OK);
  std::string text(8 << 20, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
  stream.avail_in = static_cast<uInt>(packed.size());
  stream.next_out = reinterpret_cast<Bytef*>(text.data());
  stream.avail_out = static_cast<uInt>(text.size());
  EXPECT_EQ(inflate(&stream, Z_FINISH), Z_STREAM_END);  // checks CRC and length
  text.resize(stream.total_out);
  EXPECT_EQ(stream.avail_in, 0u);
  inflateEnd(&stream);
  return text;
}

TEST_F(AttemptsTest, AnswersAreCompressedForThoseWhoAcceptIt) {
  MadeHandler made = make();
  const std::vector<std::string> keys = {"a", "large-1", "none-1", "bytes-1", "busy-1"};
  for (const char* accept : {"application/json", "application/x-ndjson", "multipart/mixed"}) {
    testing::FakeRequest request = ask(keys);
    request.fields = {{"Accept", accept}, {"Accept-Encoding", "br, gzip"}};
    FakeCall call(worker.loop, request);
    call.open(*made.handler);
    ASSERT_TRUE(call.run());
    EXPECT_EQ(call.field("Content-Encoding"), "gzip");
    EXPECT_EQ(call.field("Vary"), "Accept-Encoding");
    const std::string text = gunzip(call.body());
    EXPECT_LT(call.body().size(), text.size() / 10);
    if (std::string_view(accept) == "application/json") {
      EXPECT_EQ(json::parse(text), fetch(*made.handler, keys));
    }
  }
  for (const char* encodings : {"gzip;q=0", "br", "identity", "*;q=0", "gzip;q=0.5, identity"}) {
    testing::FakeRequest request = ask(keys);
    request.fields = {{"Accept-Encoding", encodings}};
    FakeCall call(worker.loop, request);
    call.open(*made.handler);
    ASSERT_TRUE(call.run());
    EXPECT_EQ(call.field("Content-Encoding"), "") << encodings;
  }
}

TEST(Gzip, PiecesCanBeJoinedInAnyOrder) {
  Gzip gzip;
  std::vector<std::pair<std::string, Gzip::Sum>> pieces;
  for (int i = 0; i < 20; ++i) {
    Gzip::Sum sum;
    const std::string text(static_cast<size_t>(i * 100), static_cast<char>('a' + i));
    pieces.emplace_back(std::string(gzip.compress({text, "|"}, sum)), sum);
  }
  std::string packed(Gzip::head()), wanted;
  Gzip::Sum whole;
  for (int i = 19; i >= 0; --i) {
    packed += pieces[static_cast<size_t>(i)].first;
    whole.add(pieces[static_cast<size_t>(i)].second);
    wanted += std::string(static_cast<size_t>(i * 100), static_cast<char>('a' + i)) + "|";
  }
  packed += Gzip::tail(whole);
  EXPECT_EQ(gunzip(packed), wanted);
}

TEST_F(AttemptsTest, PartsHaveTheBytesOfTheObjects) {
  MadeHandler made = make("cache = { size = \"4m\" }");
  for (int round = 0; round < 2; ++round) {  // from the store, then from the cache
    testing::FakeRequest request = ask({"bytes-1", "none-1", "busy-1", "a b"});
    request.fields = {{"Accept", "multipart/mixed"}};
    FakeCall call(worker.loop, request);
    call.open(*made.handler);
    ASSERT_TRUE(call.run());
    const std::string type = call.field("Content-Type");
    ASSERT_TRUE(type.starts_with("multipart/mixed; boundary=banyan-"));
    const std::string line = "--" + type.substr(type.find('=') + 1);
    const auto has = [&](std::string_view part) {
      EXPECT_NE(call.body().find(line + "\r\n" + std::string(part) + "\r\n" + line), std::string::npos)
          << part << "\n in " << call.body();
    };
    has("Banyan-Key: bytes-1\r\nBanyan-Status: 200\r\nContent-Type: image/gif\r\nETag: \"e\"\r\n"
        "Content-Length: 3\r\n\r\n" +
        std::string("\xff\x00\xfe", 3));
    has("Banyan-Key: busy-1\r\nBanyan-Error: http_503\r\nContent-Length: 0\r\n\r\n");
    has("Banyan-Key: a%20b\r\nBanyan-Status: 200\r\nContent-Type: text/plain\r\nETag: "
        "\"e\"\r\nContent-Length: "
        "5\r\n\r\na%20b");
    EXPECT_TRUE(call.body().ends_with(line + "--\r\n"));
  }
}

TEST_F(AttemptsTest, RefusalsAndEncodingsAreTold) {
  MadeHandler made = make("cache = { size = \"4m\" }");
  for (int round = 0; round < 2; ++round) {  // from the store, then from the cache
    const auto answer = fetch(*made.handler, {"expired-1", "none-1", "packed-1", "unchanged-1"});
    EXPECT_EQ(answer["results"]["expired-1"], json({{"status", 400}, {"code", "ExpiredToken"}}));
    EXPECT_EQ(answer["results"]["none-1"], json({{"status", 404}}));
    EXPECT_EQ(answer["results"]["packed-1"]["content_encoding"], "gzip");
    EXPECT_EQ(answer["errors"], json({{"unchanged-1", "http_304"}}));
    testing::FakeRequest request = ask({"packed-1"});
    request.fields = {{"Accept", "multipart/mixed"}};
    FakeCall call(worker.loop, request);
    call.open(*made.handler);
    ASSERT_TRUE(call.run());
    EXPECT_NE(call.body().find("\r\nContent-Encoding: gzip\r\n"), std::string::npos);
  }
}

TEST_F(AttemptsTest, AStoreThatNamesATimeIsNotAskedBefore) {
  MadeHandler made = make();
  const auto answer = fetch(*made.handler, {"later-1"}, 2000);
  EXPECT_EQ(answer["errors"]["later-1"], "http_503");
  EXPECT_EQ(asked().size(), 1u);
}

TEST_F(AttemptsTest, EachKindOfTroubleIsLogged) {
  std::string log;
  log::set_sink([](void* to, std::string_view line) { static_cast<std::string*>(to)->append(line); }, &log);
  MadeHandler made = make("retry = { attempts = 0 }");
  for (int round = 0; round < 2; ++round) {
    fetch(*made.handler, {"reset-1", "denied-1", "busy-1", "expired-1"});
    fetch(*made.handler, {"stall-1", "stall-2"}, 1200);
  }
  log::set_sink(nullptr, nullptr);
  for (const char* what :
       {"reset: ", "refuses our requests: 40", "http_503: ", "timeout: the store has answered nothing"}) {
    const size_t found = log.find(what);
    ASSERT_NE(found, std::string::npos) << what << " in " << log;
    EXPECT_EQ(log.find(what, found + 1), std::string::npos) << what;
  }
}

TEST_F(AttemptsTest, FormsAreChosenByWeightAndCloseness) {
  MadeHandler made = make();
  const auto type_for = [&](const char* accept) {
    testing::FakeRequest request = ask({"a"});
    request.fields = {{"Accept", accept}};
    FakeCall call(worker.loop, request);
    call.open(*made.handler);
    EXPECT_TRUE(call.run());
    const std::string type = call.field("Content-Type");
    return type.substr(0, type.find(';'));
  };
  EXPECT_EQ(type_for("*/*"), "application/json");
  EXPECT_EQ(type_for("multipart/*"), "multipart/mixed");
  EXPECT_EQ(type_for("Multipart/Mixed;q=0.5, */*;q=0.8"), "application/json");
  EXPECT_EQ(type_for("application/json;q=0, */*"), "application/x-ndjson");
  EXPECT_EQ(type_for("application/*;q=0.5, application/x-ndjson;q=0.4"), "application/json");
  EXPECT_EQ(type_for("*/*, application/x-ndjson"), "application/x-ndjson");
  EXPECT_EQ(type_for("multipart/mixed, application/x-ndjson"), "multipart/mixed");
  EXPECT_EQ(type_for("text/html"), "application/json");
}

TEST_F(AttemptsTest, TellsHowTheTimeWasSpent) {
  MadeHandler made = make();
  FakeCall call(worker.loop, ask({"a", "b"}));
  call.open(*made.handler);
  ASSERT_TRUE(call.run());
  EXPECT_THAT(call.field("Server-Timing"),
              ::testing::MatchesRegex("read;dur=[0-9.]+, queue;dur=[0-9.]+, fetch;dur=[0-9.]+, "
                                      "cache;desc=\"0 of 2\", shared;desc=\"0\""));
  MadeHandler cached = make("cache = { size = \"4m\" }");
  fetch(*cached.handler, {"a", "b"});
  FakeCall again(worker.loop, ask({"a", "b"}));
  again.open(*cached.handler);
  ASSERT_TRUE(again.run());
  EXPECT_NE(again.field("Server-Timing").find("cache;desc=\"2 of 2\""), std::string::npos);
}

TEST_F(AttemptsTest, AnswersAreBounded) {
  MadeHandler made = make("max_answer = \"300k\"");
  const auto answer = fetch(*made.handler, {"large-1", "large-2", "a"});
  EXPECT_EQ(answer["results"].size(), 2u);
  EXPECT_EQ(answer["errors"].size(), 1u);
  EXPECT_EQ(answer["errors"].begin().value(), "too_large");
}

}  // namespace
}  // namespace banyan::handlers
