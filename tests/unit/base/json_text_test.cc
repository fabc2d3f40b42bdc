#include "base/json_text.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>

#include "base/utf8.h"

namespace banyan {
namespace {

std::string json_string(std::string_view text) {
  std::string json;
  append_json_string(json, text);
  return json;
}

TEST(JsonText, EscapesWhatMustBe) {
  EXPECT_EQ(json_string("a\"b\\c/d"), R"("a\"b\\c/d")");
  EXPECT_EQ(json_string(std::string_view("\0\x01\b\f\n\r\t\x1f\x7f", 9)),
            "\"\\u0000\\u0001\\b\\f\\n\\r\\t\\u001f\x7f\"");
  EXPECT_EQ(json_string("\xc3\xa4\xe2\x80\xa8"), "\"\xc3\xa4\xe2\x80\xa8\"");
  EXPECT_EQ(json_string(""), "\"\"");
}

// Random texts of all lengths around the strides: what a parser reads back is what was written.
TEST(JsonText, ReadsBackWithAParser) {
  std::mt19937 random(7);
  const std::string alphabet[] = {
      "a", "\"", "\\", "\n", "\x01", "\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x8c\xb3", "\xff"};
  for (int round = 0; round < 3000; ++round) {
    std::string text;
    bool bad = false;
    for (unsigned i = random() % (round % 10 == 0 ? 700 : 24); i > 0; --i) {
      const size_t letter = random() % 4000 == 0 ? 8 : random() % (round % 3 == 0 ? 2 : 8);
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
}  // namespace banyan
