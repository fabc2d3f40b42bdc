#include "base/json.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>
#include <vector>

namespace banyan {
namespace {

using namespace std::string_view_literals;

std::string nested(size_t levels, std::string_view open = "[", std::string_view close = "]") {
  std::string text;
  for (size_t i = 0; i < levels; ++i) text += open;
  for (size_t i = 0; i < levels; ++i) text += close;
  return text;
}

TEST(IsJson, OneValueAndNothingElse) {
  for (std::string_view good :
       {"null"sv, "true"sv, "false"sv, "0"sv, "-0"sv, "-12.50e+3"sv, "1E9"sv,
        "123456789012345678901234567890"sv, "\"\""sv, "[]"sv, "{}"sv, " \t\r\n[ 1 , [ ] , { } ] "sv,
        "{\"a\" : 1,\"a\":[2,{\"b\":null}]}"sv,
        "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e4\\uD83C\\udf33 \xf0\x9f\x8c\xb3\x7f\""sv}) {
    EXPECT_TRUE(is_json(good)) << good;
  }
  for (std::string_view bad : {""sv,
                               " "sv,
                               "nul"sv,
                               "nulll"sv,
                               "True"sv,
                               "01"sv,
                               "-"sv,
                               "+1"sv,
                               ".5"sv,
                               "1."sv,
                               "1.e1"sv,
                               "1e"sv,
                               "1e+"sv,
                               "0x1"sv,
                               "NaN"sv,
                               "1 2"sv,
                               "1,"sv,
                               "["sv,
                               "]"sv,
                               "[1"sv,
                               "[1,]"sv,
                               "[,1]"sv,
                               "[1 2]"sv,
                               "[}"sv,
                               "{"sv,
                               "{]"sv,
                               "{,}"sv,
                               "{\"a\"}"sv,
                               "{\"a\":}"sv,
                               "{\"a\":1,}"sv,
                               "{\"a\" 1}"sv,
                               "{a:1}"sv,
                               "{1:1}"sv,
                               "{\"a\":1]"sv,
                               "\""sv,
                               "\"a"sv,
                               "'a'"sv,
                               "\"\n\""sv,
                               "\"\\x\""sv,
                               "\"\\"sv,
                               "\"\\u12\""sv,
                               "\"\\u12g4\""sv,
                               "\"\\u123"sv,
                               "\"\\ud800\""sv,
                               "\"\\udc00\""sv,
                               "\"\\ud800\\u0041\""sv,
                               "\"\\ud800\\n\""sv,
                               "\"\\ud83c\\udf3"sv,
                               "\"\xff\""sv,
                               "\"\xed\xa0\x80\""sv,
                               "/**/1"sv,
                               "1//"sv}) {
    EXPECT_FALSE(is_json(bad)) << bad;
  }
}

// Other parsers take a NUL for the end, and skip a byte order mark.
TEST(IsJson, NothingBehindANulAndNoByteOrderMark) {
  for (std::string_view bad :
       {"1\0x"sv, "{}\0\xff"sv, "{}\0"sv, "\0"sv, "\0{}"sv, "[\0]"sv, "\"\0\""sv, "\xef\xbb\xbf{}"sv,
        "{}\xef\xbb\xbf"sv, "\xef\xbb\xbf"sv, "\xc2\xa0{}"sv, "\x0c{}"sv}) {
    EXPECT_FALSE(is_json(bad)) << ::testing::PrintToString(std::string(bad));
  }
}

TEST(IsJson, TheDepthHasALimit) {
  EXPECT_TRUE(is_json(nested(kDeepestJson)));
  EXPECT_FALSE(is_json(nested(kDeepestJson + 1)));
  EXPECT_FALSE(is_json(nested(1'000'000)));
  EXPECT_FALSE(is_json(std::string(1'000'000, '[')));
  EXPECT_FALSE(is_json(nested(kDeepestJson + 1, "{\"a\":", "}")));
  // Side by side is not nested.
  std::string wide = "[[]";
  for (int i = 0; i < 2000; ++i) wide += ",[[{}]]";
  EXPECT_TRUE(is_json(wide + "]"));
}

// Random texts of JSON's characters: what the other parser takes and what not.
TEST(IsJson, AgreesWithAnotherParser) {
  std::mt19937 random(11);
  const std::string pieces[] = {"{",           "}",  "[",  "]",    ",",    ":",        "\"a\"",
                                "\"\\u0041\"", "\"", "\\", "1",    "-2",   "0.5",      "1e5 ",
                                "0",           " ",  "\n", "true", "null", "\xc3\xa4", "."};
  constexpr size_t kPieces = std::size(pieces);
  int good = 0;
  for (int round = 0; round < 200'000; ++round) {
    std::string text;
    for (unsigned i = 1 + random() % 9; i > 0; --i) text += pieces[random() % kPieces];
    const bool accepted = nlohmann::json::accept(text);
    ASSERT_EQ(is_json(text), accepted) << text;
    good += accepted;
  }
  EXPECT_GT(good, 1000);
}

struct FindJsonMembers : ::testing::Test {
  std::vector<JsonMember> members = {{"a"}, {"b"}, {"long name"}};
  std::string find(std::string_view text) {
    for (JsonMember& one : members) one = {one.name};
    if (!find_json_members(text, members)) return "not an object";
    std::string found;
    for (const JsonMember& one : members) found.append(one.value).append(one.twice ? "! " : " ");
    return found;
  }
};

TEST_F(FindJsonMembers, AsTheyStandInTheText) {
  EXPECT_EQ(find("{}"), "   ");
  EXPECT_EQ(find(R"( { "b" :  { "z" : 1,"a":[ 2 ],  "z":1.0 }  , "c":3, "a" : 12345678901234567890123 } )"),
            R"(12345678901234567890123 { "z" : 1,"a":[ 2 ],  "z":1.0 }  )");
  EXPECT_EQ(find(R"({"a":"x\u00e4","long\u0020name":[],"b":null})"), R"("x\u00e4" null [] )");
  EXPECT_EQ(find(R"({"c":{"a":1},"d":[{"b":2}],"":3,"A":4})"), "   ");
  EXPECT_EQ(find(R"({"a":1,"b":2,"a":[],"\u0061":4})"), "4! 2  ");
}

TEST_F(FindJsonMembers, OfObjectsOnly) {
  for (const char* other :
       {"", "[]", "[{\"a\":1}]", "\"a\"", "1", "{\"a\":1", "{\"a\":1}x", "\xef\xbb\xbf{}"})
    EXPECT_EQ(find(other), "not an object") << other;
}

TEST(JsonString, IsWhatTheEscapesStandFor) {
  for (const char* text :
       {R"("")", R"("plain")", R"("\"\\\/\b\f\n\r\t")", R"("\u0000\u007f\u0080\u07FF\u0800\uffff")",
        R"("\ud83c\udf33x\uDBFF\uDFFF")", "\"\xc3\xa4\\n\xe2\x82\xac\""}) {
    EXPECT_EQ(json_text(text), nlohmann::json::parse(text).get<std::string>()) << text;
  }
}

}  // namespace
}  // namespace banyan
