#include "base/utf8.h"

#include <gtest/gtest.h>

#include <string>

namespace banyan {
namespace {

// The encoding of any number, sensible or not.
std::string encode(uint32_t code) {
  auto tail = [code](int shift) { return static_cast<char>(0x80 | (code >> shift & 0x3f)); };
  if (code < 0x80) return {static_cast<char>(code)};
  if (code < 0x800) return {static_cast<char>(0xc0 | code >> 6), tail(0)};
  if (code < 0x10000) return {static_cast<char>(0xe0 | code >> 12), tail(6), tail(0)};
  return {static_cast<char>(0xf0 | code >> 18), tail(12), tail(6), tail(0)};
}

TEST(Utf8Check, EveryCodePoint) {
  for (uint32_t code = 0; code < 0x120000; ++code) {
    const bool valid = code < 0x110000 && !(code >= 0xd800 && code < 0xe000);
    ASSERT_EQ(is_utf8(encode(code)), valid) << std::hex << code;
  }
}

TEST(Utf8Check, EveryPairOfBytesAsTheReferenceSays) {
  for (int first = 0; first < 256; ++first) {
    for (int second = 0; second < 256; ++second) {
      const bool valid = first < 0x80 ? second < 0x80 : first >= 0xc2 && first < 0xe0 && second >> 6 == 2;
      const std::string text{static_cast<char>(first), static_cast<char>(second)};
      ASSERT_EQ(is_utf8(text), valid) << first << " " << second;
    }
  }
}

TEST(Utf8Check, OverlongForms) {
  for (std::string_view text :
       {"\xc0\xaf", "\xe0\x80\xaf", "\xe0\x9f\xbf", "\xf0\x80\x80\xaf", "\xf0\x8f\xbf\xbf"}) {
    EXPECT_FALSE(is_utf8(text));
  }
}

TEST(Utf8Check, FailsWithTheFirstWrongByte) {
  Utf8Check check;
  EXPECT_TRUE(check.add("\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5"));
  EXPECT_TRUE(check.add("\xf4"));
  EXPECT_FALSE(check.add("\x90"));  // beyond U+10FFFF: no need to wait for the rest
}

TEST(Utf8Check, CutAnywhere) {
  const std::string text = "plain ascii text, \xc3\xa4 \xe2\x82\xac \xf0\x9f\x8c\xb3 and more of it";
  for (size_t cut = 0; cut <= text.size(); ++cut) {
    Utf8Check check;
    ASSERT_TRUE(check.add(std::string_view(text).substr(0, cut)));
    EXPECT_EQ(check.complete(), cut == text.size() || (text[cut] & 0xc0) != 0x80) << cut;
    ASSERT_TRUE(check.add(std::string_view(text).substr(cut)));
    EXPECT_TRUE(check.complete());
  }
}

TEST(Utf8Check, WholeTexts) {
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

}  // namespace
}  // namespace banyan
