#include "http/path.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <string>
#include <vector>

namespace banyan::http {
namespace {

struct Case {
  std::string_view path;
  std::string_view normal;
};

void expect_normal(const Case& c, const PathRules& rules = {}) {
  Arena arena;
  auto result = normalise_path(c.path, rules, arena);
  ASSERT_TRUE(result.ok()) << c.path << ": " << result.error().message;
  EXPECT_EQ(*result, c.normal) << c.path;
  auto again = normalise_path(*result, rules, arena);
  ASSERT_TRUE(again.ok()) << c.path << ": " << again.error().message;
  EXPECT_EQ(again->data(), result->data()) << c.path << ": normalising twice copies or changes";
}

void expect_refused(std::string_view path, std::string_view message, const PathRules& rules = {}) {
  Arena arena;
  auto result = normalise_path(path, rules, arena);
  ASSERT_FALSE(result.ok()) << path << " became " << *result;
  EXPECT_EQ(result.error().message, message) << path;
  EXPECT_EQ(result.error().status, 400);
}

TEST(Path, NormalOnesAreNotCopied) {
  for (std::string_view path : {"/",
                                "/a",
                                "/a/",
                                "/a/b.c/d",
                                "/a..b/c.",
                                "/...",
                                "/.a",
                                "/..a",
                                "/a/...",
                                "/.well-known/acme",
                                "/~user",
                                "/a;b=c/d,e",
                                "/a:b@c!$&'()*+,;=",
                                "/caf%C3%A9",
                                "/a%20b",
                                "/%25",
                                "/a%2525",
                                "/a/%3A",
                                "/a%3Bb",
                                "/a.",
                                "/a..",
                                "/%5B%5D",
                                "/a;..",
                                "/....;x"}) {
    Arena arena;
    auto result = normalise_path(path, {}, arena);
    ASSERT_TRUE(result.ok()) << path << ": " << result.error().message;
    EXPECT_EQ(result->data(), path.data()) << path;
    EXPECT_EQ(*result, path);
  }
}

TEST(Path, DotSegmentsAreResolved) {
  for (const Case& c : {Case{"/.", "/"},
                        {"/./", "/"},
                        {"/a/.", "/a/"},
                        {"/a/./b", "/a/b"},
                        {"/a/..", "/"},
                        {"/a/../", "/"},
                        {"/a/../b", "/b"},
                        {"/a/b/../c", "/a/c"},
                        {"/a/b/..", "/a/"},
                        {"/a/b/../../c", "/c"},
                        {"/a/b/c/./../../g", "/a/g"},
                        {"/mid/content=5/../6", "/mid/6"},
                        {"/a/%2e", "/a/"},
                        {"/a/%2E%2e/b", "/b"},
                        {"/a/.%2e/b", "/b"},
                        {"/a;b/../admin/x", "/admin/x"}}) {
    expect_normal(c);
  }
}

TEST(Path, EncodingsHaveOneSpelling) {
  for (const Case& c : {Case{"/%61dmin", "/admin"},
                        {"/%7Euser%2D%5f", "/~user-_"},
                        {"/caf%c3%a9", "/caf%C3%A9"},
                        {"/a%3ab%2cc", "/a%3Ab%2Cc"},
                        {"/a|b\"c<d>e^f`g{h}i[j]", "/a%7Cb%22c%3Cd%3Ee%5Ef%60g%7Bh%7Di%5Bj%5D"},
                        {"/%0d%0aSet-Cookie:", "/%0D%0ASet-Cookie:"},
                        {"/%25%34%31", "/%2541"},
                        {"/%2541", "/%2541"},
                        {"/a%252fb", "/a%252fb"},
                        {"/a%255cb", "/a%255cb"},
                        {"/a%252eb", "/a%252eb"}}) {
    expect_normal(c);
  }
}

TEST(Path, SlashesAreMerged) {
  for (const Case& c : {Case{"//", "/"},
                        {"//admin", "/admin"},
                        {"/a//b///c", "/a/b/c"},
                        {"/a//", "/a/"},
                        {"/a//../b", "/b"},
                        {"/.//a", "/a"},
                        {"/a/..//b", "/b"},
                        {"/proxy/http://x/", "/proxy/http:/x/"}}) {
    expect_normal(c);
  }
  PathRules apart{.merge_slashes = false};
  for (const Case& c : {Case{"//", "//"},
                        {"/a//b", "/a//b"},
                        {"/a//./b", "/a//b"},
                        {"/a/b/..//c", "/a//c"},
                        {"/http://x/%7e", "/http://x/~"}}) {
    expect_normal(c, apart);
  }
  expect_refused("/a//../b", "path: \"..\" after an empty segment", apart);
}

TEST(Path, AmbiguousOnesAreRefused) {
  constexpr std::string_view kSlash = "path: an encoded slash or backslash";
  constexpr std::string_view kRoot = "path: \"..\" above the root";
  constexpr std::string_view kPercent = "path: \"%\" without two hexadecimal digits";
  constexpr std::string_view kDots = "path: a dot segment with parameters, or encoded twice";
  const Case cases[] = {
      {"/a%2fb", kSlash},
      {"/a%2Fb", kSlash},
      {"/a%5cb", kSlash},
      {"/a%5Cb", kSlash},
      {"/a/..%2fadmin", kSlash},
      {"/a\\b", "path: a backslash"},
      {"/a/..\\b", "path: a backslash"},
      {"/a%00", "path: an encoded NUL"},
      {"/..", kRoot},
      {"/../a", kRoot},
      {"/a/../..", kRoot},
      {"/a/../../b", kRoot},
      {"/%2e%2e/a", kRoot},
      {"/./../a", kRoot},
      {"//..", kRoot},
      {"/%", kPercent},
      {"/a%4", kPercent},
      {"/a%4g", kPercent},
      {"/a%g4", kPercent},
      {"/a%%41", kPercent},
      {"/a/..;/b", kDots},
      {"/a/..;x=y/b", kDots},
      {"/a/.;/b", kDots},
      {"/a/..%3b/b", kDots},
      {"/a/%2e%2E;/b", kDots},
      {"/a/%252e%252e/b", kDots},
      {"/a/.%252e/b", kDots},
      {"/a/%25252e./b", kDots},
      {"/a/%252e", kDots},
      {"/a/%252e%252E;x/b", kDots},
      {"/%25%32%65", kDots},
  };
  for (const Case& c : cases) expect_refused(c.path, c.normal);
}

TEST(Path, EncodedSlashesMayBeKept) {
  PathRules keep{.keep_encoded_slashes = true};
  for (const Case& c : {Case{"/objects/a%2fb", "/objects/a%2Fb"},
                        {"/a%5cb", "/a%5Cb"},
                        {"/@scope%2Fname", "/@scope%2Fname"},
                        {"/a%2F%2Fb", "/a%2F%2Fb"},
                        {"/a%2f..b", "/a%2F..b"},
                        {"/%2F", "/%2F"}}) {
    expect_normal(c, keep);
  }
  constexpr std::string_view kDots = "path: a dot segment beside an encoded slash";
  for (std::string_view path : {"/a%2F..", "/..%2Fa", "/a%2f..%2fb", "/a%2F.", "/.%5Ca", "/a%5c..%2fb",
                                "/a%2F%2e%2e%2Fb", "/a%2F..;%2Fb", "/a%2F%252e%252e"}) {
    expect_refused(path, kDots, keep);
  }
  expect_refused("/a\\b", "path: a backslash", keep);
}

// No spelling of "/admin" is taken for something else.
TEST(Path, EverySpellingOfOnePathIsTheSame) {
  std::vector<std::string> spellings = {"/"};
  for (char c : std::string_view("admin")) {
    std::vector<std::string> longer;
    for (const std::string& spelling : spellings) {
      longer.push_back(spelling + c);
      char encoded[4];
      std::snprintf(encoded, sizeof encoded, "%%%02x", c);
      longer.push_back(spelling + encoded);
      std::snprintf(encoded, sizeof encoded, "%%%02X", c);
      longer.push_back(spelling + encoded);
    }
    spellings = std::move(longer);
  }
  EXPECT_EQ(spellings.size(), 243u);
  for (const std::string& spelling : spellings) {
    for (std::string_view before : {"", "/", "/.", "/x/..", "/x/%2e%2E", "/x/y/../..", "//."}) {
      expect_normal({std::string(before) + spelling, "/admin"});
    }
  }
}

}  // namespace
}  // namespace banyan::http
