// batch_fetch beside a store that does what the keys say.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "handlers/all_handlers.h"
#include "support/fake_call.h"
#include "support/fake_worker.h"
#include "support/test_store.h"

namespace banyan::handlers {

using namespace std::chrono_literals;
using json = nlohmann::ordered_json;
using testing::FakeCall;
using testing::FakeWorker;
using testing::MadeHandler;
using testing::run_until;
using testing::StoreReply;
using testing::StoreRequest;
using testing::TestStore;

// What a busy machine may add to a deadline before a test calls it missed.
inline constexpr Millis kSlack = 100ms;

// "/bucket/NAME…" decides: what comes before the first '-' says what happens.
inline StoreReply behave(const StoreRequest& request) {
  const std::string key = request.path.substr(request.path.find('/', 1) + 1);
  const std::string kind = key.substr(0, key.find('-'));
  if (kind == "stall") return {"", StoreReply::Then::stall};
  if (kind == "half") return {"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", StoreReply::Then::stall};
  if (kind == "cut") return {"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", StoreReply::Then::close};
  if (kind == "reset") return {"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", StoreReply::Then::reset};
  if (kind == "none") return StoreReply::status(404, "<Error><Code>NoSuchKey</Code></Error>");
  if (kind == "denied") return StoreReply::status(403, "<Error><Code>AccessDenied</Code></Error>");
  if (kind == "expired") return StoreReply::status(400, "<Error><Code>ExpiredToken</Code></Error>");
  if (kind == "unchanged") return StoreReply::status(304, "");
  if (kind == "later") {
    return {"HTTP/1.1 503 Slow Down\r\nRetry-After: 60\r\nContent-Length: 0\r\n\r\n"};
  }
  if (kind == "packed") {
    return {
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Encoding: gzip\r\nContent-Length: "
        "2\r\n\r\n\x1f\x8b"};
  }
  if (kind == "busy") return StoreReply::status(503, "<Error><Code>SlowDown</Code></Error>");
  if (kind == "bytes") return StoreReply::object("image/gif", std::string_view("\xff\x00\xfe", 3));
  if (kind == "large") return StoreReply::object("text/plain", std::string(200'000, 'x'));
  if (kind == "nonsense") return {"BANANA\r\n\r\n", StoreReply::Then::close};
  StoreReply reply = StoreReply::object("text/plain", key);
  reply.held = kind == "held";
  return reply;
}

struct BatchFetchTest : ::testing::Test {
  TestStore store{behave};
  FakeWorker worker;

  MadeHandler make(std::string_view keys = "") {
    MadeHandler made = worker.make(
        all_handlers(), fmt::format("type = \"batch_fetch\"\norigin = \"{}\"\n{}", store.origin(), keys));
    EXPECT_TRUE(made.handler) << made.problem;
    return made;
  }

  static testing::FakeRequest post(std::string body) {
    return {.method = "POST", .path = "/batch", .body = std::move(body)};
  }
  static testing::FakeRequest ask(const std::vector<std::string>& keys, int timeout = 10'000) {
    return post(json{{"keys", keys}, {"timeout_ms", timeout}}.dump());
  }
  // The whole answer as JSON, in the order it was written.
  static json read(const FakeCall& call) {
    EXPECT_EQ(call.status(), 200);
    EXPECT_EQ(call.length().size, call.body().size());
    auto parsed = json::parse(call.body(), nullptr, false);
    EXPECT_TRUE(parsed.is_object()) << call.body();
    return parsed;
  }
  json fetch(handler::Handler& handler, const std::vector<std::string>& keys, int timeout = 10'000) {
    FakeCall call(worker.loop, ask(keys, timeout));
    call.open(handler);
    EXPECT_TRUE(call.run());
    return read(call);
  }
  // The paths that the store was asked for.
  std::vector<std::string> asked() const {
    std::vector<std::string> paths;
    for (const StoreRequest& request : store.requests()) paths.push_back(request.path);
    return paths;
  }
};

}  // namespace banyan::handlers
