#include "handlers/batch_fetch/json_text.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>

namespace banyan::handlers {
namespace {

std::string json_string(std::string_view text) {
  std::string json;
  append_json_string(json, text);
  return json;
}

std::string base64(std::string_view bytes) {
  std::string text;
  append_base64(text, bytes);
  return text;
}

TEST(BatchFetchJson, KnowsWellFormedUtf8) {
  for (const char* good :
       {"", "plain", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80", "\xef\xbf\xbf",
        "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf", "12345678\xc3\xa4"}) {
    EXPECT_TRUE(is_utf8(good)) << good;
  }
  EXPECT_TRUE(is_utf8(std::string_view("a\0b", 3)));
  for (const char* bad : {"\x80", "\xc0\x80", "\xc1\xbf", "\xc2", "\xc2\x41", "\xe0\x9f\xbf", "\xe0\xa0",
                          "\xed\xa0\x80", "\xed\xbf\xbf", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80",
                          "\xf5\x80\x80\x80", "\xff", "12345678\xff", "1234567\xe2\x82", "\xf0\x9f\x8c"}) {
    EXPECT_FALSE(is_utf8(bad)) << ::testing::PrintToString(std::string(bad));
  }
}

TEST(BatchFetchJson, EscapesWhatMustBe) {
  EXPECT_EQ(json_string("a\"b\\c/d"), R"("a\"b\\c/d")");
  EXPECT_EQ(json_string(std::string_view("\0\x01\b\f\n\r\t\x1f\x7f", 9)),
            "\"\\u0000\\u0001\\b\\f\\n\\r\\t\\u001f\x7f\"");
  EXPECT_EQ(json_string("\xc3\xa4\xe2\x80\xa8"), "\"\xc3\xa4\xe2\x80\xa8\"");
  EXPECT_EQ(json_string(""), "\"\"");
}

TEST(BatchFetchJson, WritesBase64) {
  // RFC 4648 section 10.
  const std::pair<const char*, const char*> kExamples[] = {{"", ""},
                                                           {"f", "Zg=="},
                                                           {"fo", "Zm8="},
                                                           {"foo", "Zm9v"},
                                                           {"foob", "Zm9vYg=="},
                                                           {"fooba", "Zm9vYmE="},
                                                           {"foobar", "Zm9vYmFy"}};
  for (const auto& [bytes, text] : kExamples) EXPECT_EQ(base64(bytes), text);
  EXPECT_EQ(base64(std::string_view("\xff\x00\xfe", 3)), "/wD+");
}

// Random texts of all lengths around the eight-byte stride: what a parser reads back is what was written.
TEST(BatchFetchJson, ReadsBackWithAParser) {
  std::mt19937 random(7);
  const std::string alphabet[] = {
      "a", "\"", "\\", "\n", "\x01", "\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x8c\xb3", "\xff"};
  for (int round = 0; round < 3000; ++round) {
    std::string text;
    bool bad = false;
    for (unsigned i = random() % 24; i > 0; --i) {
      const size_t letter = random() % 40 == 0 ? 8 : random() % 8;
      bad |= letter == 8;
      text += alphabet[letter];
    }
    ASSERT_EQ(is_utf8(text), !bad);
    if (bad) continue;
    const auto parsed = nlohmann::json::parse(json_string(text), nullptr, false);
    ASSERT_TRUE(parsed.is_string());
    ASSERT_EQ(parsed.get<std::string>(), text);
  }
}

}  // namespace
}  // namespace banyan::handlers
