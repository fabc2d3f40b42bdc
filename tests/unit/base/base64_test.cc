#include "base/base64.h"

#include <gtest/gtest.h>

namespace banyan {
namespace {

std::string base64(std::string_view bytes) {
  std::string text;
  append_base64(text, bytes);
  return text;
}

// RFC 4648 section 10.
TEST(Base64, TheExamplesOfTheStandard) {
  const std::pair<const char*, const char*> kExamples[] = {{"", ""},
                                                           {"f", "Zg=="},
                                                           {"fo", "Zm8="},
                                                           {"foo", "Zm9v"},
                                                           {"foob", "Zm9vYg=="},
                                                           {"fooba", "Zm9vYmE="},
                                                           {"foobar", "Zm9vYmFy"}};
  for (const auto& [bytes, text] : kExamples) {
    EXPECT_EQ(base64(bytes), text);
    EXPECT_EQ(read_base64(text), bytes);
    const std::string_view whole = text;
    EXPECT_EQ(read_base64(whole.substr(0, whole.find('='))), bytes);
  }
  EXPECT_EQ(base64(std::string_view("\xff\x00\xfe", 3)), "/wD+");
  EXPECT_EQ(read_base64("/wD+"), std::string_view("\xff\x00\xfe", 3));
}

TEST(Base64, NothingElseIsRead) {
  for (const char* wrong : {"=", "==", "====", "A", "A=", "A==", "A===", "AA=", "AA===", "AAA==", "AA==junk",
                            "AA==AA==", "AA=A", "AAAAA", "A-A_", "AA AA", "AAAA\n", "!"}) {
    EXPECT_EQ(read_base64(wrong), std::nullopt) << wrong;
  }
}

TEST(Base64, TheAlphabetForUrlsHasNoPadding) {
  EXPECT_EQ(read_base64url(""), "");
  EXPECT_EQ(read_base64url("Zm9vYg"), "foob");
  EXPECT_EQ(read_base64url("_wD-"), std::string_view("\xff\x00\xfe", 3));
  for (const char* wrong : {"/wD+", "Zm9vYg==", "A", "AA AA", "A-.A"}) {
    EXPECT_EQ(read_base64url(wrong), std::nullopt) << wrong;
  }
}

}  // namespace
}  // namespace banyan
