#include "handlers/batch_fetch/request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

namespace banyan::handlers {
namespace {

using ::testing::ElementsAre;

BatchLimits limits() {
  BatchLimits limits;
  limits.max_keys = 4;
  limits.default_timeout = Millis(1200);
  limits.max_timeout = Millis(5000);
  return limits;
}

// "422 keys: is missing", or "" when the body is fine.
std::string complaint(std::string_view body, const BatchLimits& limits) {
  Result<BatchRequest> request = parse_batch_request(body, limits);
  return request.ok() ? "" : std::to_string(request.error().status) + " " + request.error().message;
}
std::string complaint(std::string_view body) { return complaint(body, limits()); }

TEST(BatchFetchRequest, ReadsKeysInOrderEachOnce) {
  Result<BatchRequest> request =
      parse_batch_request(R"({"keys": ["b", "a/ü", "b", "\u00e4\u0000"], "timeout_ms": 1})", limits());
  ASSERT_TRUE(request.ok());
  EXPECT_THAT(request->keys, ElementsAre("b", "a/ü", std::string("ä\0", 3)));
  EXPECT_EQ(request->timeout, Millis(1));
}

TEST(BatchFetchRequest, HasADefaultTimeout) {
  for (const char* body : {R"({"keys":["a"]})", R"({"keys":["a"],"timeout_ms":null})"}) {
    Result<BatchRequest> request = parse_batch_request(body, limits());
    ASSERT_TRUE(request.ok()) << body;
    EXPECT_EQ(request->timeout, Millis(1200));
  }
}

TEST(BatchFetchRequest, IgnoresWhatItDoesNotKnow) {
  EXPECT_EQ(
      complaint(
          R"({"x":{"keys":[1,{"timeout_ms":-1}]},"y":[["keys"]],"z":1.5,"keys":["a"],"n":null,"t":true})"),
      "");
}

TEST(BatchFetchRequest, WhatIsNotJsonIs400WithThePlace) {
  EXPECT_EQ(complaint(""), "400 the body is not JSON: wrong at byte 1");
  for (const char* body : {"nonsense", "{\"keys\":", "{\"keys\":[\"a\"]} x", "{'keys':[]}",
                           "{\"keys\":[\"a\",]}", "{\"keys\":[\"\xff\"]}", "{\"keys\":[\"\\ud800\"]}"}) {
    EXPECT_EQ(complaint(body).substr(0, 32), "400 the body is not JSON: wrong ") << body;
  }
}

// Also what the parser would take for the end of the text, and where a value is wrong as well.
TEST(BatchFetchRequest, WhatIsNotJsonAnywhereIs400) {
  using namespace std::string_view_literals;
  EXPECT_EQ(complaint("{\"keys\":[\"a\"]}\0"sv), "400 the body is not JSON: wrong at byte 15");
  for (const std::string_view body : {"{\"keys\":[\"a\"]}\0{"sv, "{\"keys\":[\"a\"],\"timeout_ms\":0100}"sv,
                                      "{\"keys\":[1,}"sv, "[1]]"sv, "{\"keys\":[\"a\"],\"keys\":[\"b\"]"sv}) {
    EXPECT_EQ(complaint(body).substr(0, 32), "400 the body is not JSON: wrong ") << body;
  }
  EXPECT_EQ(complaint(R"({"keys":["a"],"x":1e400})"), "400 the body has a number that is too large: 1e400");
}

TEST(BatchFetchRequest, WholeNumbersAreReadHoweverTheyAreWritten) {
  Result<BatchRequest> request = parse_batch_request(R"({"keys":["a"],"timeout_ms":12.5e2})", limits());
  ASSERT_TRUE(request.ok());
  EXPECT_EQ(request->timeout, Millis(1250));
  for (const char* number : {"1e400", "99999999999999999999", "1e15", "1e300", "18446744073709551616"}) {
    EXPECT_EQ(complaint(std::string(R"({"keys":["a"],"timeout_ms":)") + number + "}"),
              "422 timeout_ms: must be at most 5000");
  }
  EXPECT_EQ(complaint(R"({"keys":["a"],"timeout_ms":-1e30})"), "422 timeout_ms: must be at least 1");
}

TEST(BatchFetchRequest, WrongValuesAre422WithFieldAndPosition) {
  EXPECT_EQ(complaint("[]"), "422 the body must be a JSON object, not an array");
  EXPECT_EQ(complaint("7"), "422 the body must be a JSON object, not a number");
  EXPECT_EQ(complaint("null"), "422 the body must be a JSON object, not null");
  EXPECT_EQ(complaint("{}"), "422 keys: is missing");
  EXPECT_EQ(complaint(R"({"keys":[]})"), "422 keys: must have at least one key");
  EXPECT_EQ(complaint(R"({"keys":"a"})"), "422 keys: must be an array of strings, not a string");
  EXPECT_EQ(complaint(R"({"keys":{"a":1}})"), "422 keys: must be an array of strings, not an object");
  EXPECT_EQ(complaint(R"({"keys":null})"), "422 keys: must be an array of strings, not null");
  EXPECT_EQ(complaint(R"({"keys":["a"],"keys":["b"],"keys":3})"), "422 keys: is given twice");
  EXPECT_EQ(complaint(R"({"keys":["a",1]})"), "422 keys[1]: must be a string, not a number");
  EXPECT_EQ(complaint(R"({"keys":["a","b",["c"]]})"), "422 keys[2]: must be a string, not an array");
  EXPECT_EQ(complaint(R"({"keys":[null]})"), "422 keys[0]: must be a string, not null");
  EXPECT_EQ(complaint(R"({"keys":["a",""]})"), "422 keys[1]: must not be empty");
  EXPECT_EQ(complaint(R"({"keys":["1","2","3","4","5"]})"), "422 keys: must be at most 4 keys");
  EXPECT_EQ(complaint(R"({"keys":["a"],"timeout_ms":0})"), "422 timeout_ms: must be at least 1");
  EXPECT_EQ(complaint(R"({"keys":["a"],"timeout_ms":-5})"), "422 timeout_ms: must be at least 1");
  EXPECT_EQ(complaint(R"({"keys":["a"],"timeout_ms":5001})"), "422 timeout_ms: must be at most 5000");
  EXPECT_EQ(complaint(R"({"keys":["a"],"timeout_ms":18446744073709551615})"),
            "422 timeout_ms: must be at most 5000");
  EXPECT_EQ(complaint(R"({"keys":["a"],"timeout_ms":1.5})"),
            "422 timeout_ms: must be a whole number, not a number with a fraction");
  EXPECT_EQ(complaint(R"({"keys":["a"],"timeout_ms":"1"})"),
            "422 timeout_ms: must be a whole number, not a string");
  EXPECT_EQ(complaint(R"({"keys":["a"],"timeout_ms":[1]})"),
            "422 timeout_ms: must be a whole number, not an array");
}

TEST(BatchFetchRequest, KeysHaveALongestLength) {
  EXPECT_EQ(complaint("{\"keys\":[\"" + std::string(kLongestKey, 'k') + "\"]}"), "");
  EXPECT_EQ(complaint("{\"keys\":[\"" + std::string(kLongestKey + 1, 'k') + "\"]}"),
            "422 keys[0]: is longer than 1024 bytes");
}

TEST(BatchFetchRequest, DotSegmentsAreRefusedWhereTheyMustBe) {
  BatchLimits strict = limits();
  strict.dot_segments = false;
  for (const char* key : {".", "..", "../a", "a/../b", "a/.", "a/..", "./a", "/..", "/../../x"}) {
    const std::string body = std::string("{\"keys\":[\"") + key + "\"]}";
    EXPECT_EQ(complaint(body), "") << key;
    EXPECT_EQ(complaint(body, strict), "422 keys[0]: must not have \".\" or \"..\" between slashes") << key;
  }
  for (const char* key : {".hidden", "..a", "a..", "a/...", "a//b", "/", "a/.b/c"}) {
    EXPECT_EQ(complaint(std::string("{\"keys\":[\"") + key + "\"]}", strict), "") << key;
  }
}

TEST(BatchFetchRequest, DeepNestingCostsNothing) {
  EXPECT_EQ(complaint(std::string(1'000'000, '[')), "422 the body must be a JSON object, not an array");
  EXPECT_EQ(complaint("{\"x\":" + std::string(1'000'000, '[')), "422 the body is nested more than 64 deep");
  EXPECT_EQ(complaint(R"({"x":[[[{"a":[{}]}]]],"keys":["a"]})"), "");
}

// Cut off and damaged bodies: never more than an error.
TEST(BatchFetchRequest, SurvivesDamage) {
  const std::string good = R"({"keys": ["a", "b\u00e4"], "timeout_ms": 1200, "x": {"y": [1, null]}})";
  std::mt19937 random(3);
  for (int round = 0; round < 20'000; ++round) {
    std::string body = good;
    for (unsigned i = 1 + random() % 3; i > 0; --i)
      body[random() % body.size()] = static_cast<char>(random());
    if (round % 2) body.resize(random() % body.size());
    Result<BatchRequest> request = parse_batch_request(body, limits());
    if (!request.ok()) {
      ASSERT_TRUE(request.error().status == 400 || request.error().status == 422);
    } else {
      ASSERT_FALSE(request->keys.empty());
      ASSERT_LE(request->keys.size(), 4u);
    }
  }
}

}  // namespace
}  // namespace banyan::handlers
