#include "http/chars.h"

#include <gtest/gtest.h>

#include <cctype>
#include <string>

namespace banyan::http::chars {
namespace {

bool among(char c, std::string_view members) { return members.find(c) != members.npos; }

TEST(Chars, ClassesAreTheGrammars) {
  for (int byte = 0; byte < 256; ++byte) {
    char c = static_cast<char>(byte);
    bool alphanumeric = byte < 0x80 && std::isalnum(byte);
    bool visible = byte > 0x20 && byte < 0x7f;
    bool unreserved = alphanumeric || among(c, "-._~");
    EXPECT_EQ(is(c, kToken), alphanumeric || among(c, "!#$%&'*+-.^_`|~")) << byte;
    EXPECT_EQ(is(c, kFieldValue), visible || c == ' ' || c == '\t' || byte >= 0x80) << byte;
    EXPECT_EQ(is(c, kTarget), visible && c != '#') << byte;
    EXPECT_EQ(is(c, kUnreserved), unreserved) << byte;
    EXPECT_EQ(is(c, kRegName), unreserved || among(c, "!$&'()*+,;=")) << byte;
    EXPECT_EQ(is(c, kPathChar), unreserved || among(c, "!$&'()*+,;=:@")) << byte;
    EXPECT_EQ(is(c, kDigit), byte >= '0' && byte <= '9') << byte;
    bool quoted = c == '\t' || (byte >= 0x20 && byte != '"' && byte != '\\' && byte != 0x7f);
    EXPECT_EQ(is(c, kQuotedText), quoted) << byte;
    EXPECT_EQ(hex_value(c) >= 0, byte < 0x80 && std::isxdigit(byte)) << byte;
  }
  EXPECT_EQ(hex_value('a'), 10);
  EXPECT_EQ(hex_value('F'), 15);
  EXPECT_EQ(hex_value('7'), 7);
}

// Every byte at every place among bytes of the class, so that both the wide and the narrow part of a scan see
// it.
template <class Scan>
void expect_scan(Class what, char filler, Scan scan) {
  for (size_t size : {1, 15, 16, 17, 31, 32, 33, 40}) {
    for (size_t place = 0; place < size; ++place) {
      for (int byte = 0; byte < 256; ++byte) {
        std::string text(size, filler);
        text[place] = static_cast<char>(byte);
        const char* end = text.data() + size;
        const char* expected = is(text[place], what) ? end : text.data() + place;
        ASSERT_EQ(scan(text.data(), end), expected) << byte << " at " << place << " of " << size;
      }
    }
  }
}

TEST(Chars, ScansFindTheFirstByteOutsideOfTheClass) {
  expect_scan(kFieldValue, 'v', find_value_end);
  expect_scan(kFieldValue, '\t', find_value_end);
  expect_scan(kTarget, '/', find_target_end);
  expect_scan(kToken, 'n', [](const char* at, const char* end) { return find_token_end(at, end).at; });
  expect_scan(kToken, '_', [](const char* at, const char* end) { return find_token_end(at, end).at; });
}

TEST(Chars, PlainTokensHaveNoUnderscore) {
  for (size_t place = 0; place < 40; ++place) {
    std::string text(40, 'x');
    text[place] = '_';
    text += ": value and more than sixteen bytes";
    EXPECT_FALSE(find_token_end(text.data(), text.data() + text.size()).plain) << place;
  }
}

}  // namespace
}  // namespace banyan::http::chars
