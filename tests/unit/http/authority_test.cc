#include "http/authority.h"

#include <gtest/gtest.h>

#include <string>

namespace banyan::http {
namespace {

TEST(Authority, AcceptsHostsWithAndWithoutPort) {
  for (std::string_view text :
       {"a", "example.org", "EXAMPLE.org.", "example.org:80", "a:0", "a:65535", "a:00080", "127.0.0.1",
        "127.0.0.1:8080", "[::1]", "[::1]:8080", "[2001:DB8::a:b]", "[::ffff:10.0.0.1]:1", "under_score",
        "a!$&'()*+,;=b", "1.2.3.4.5", ""}) {
    auto result = parse_authority(text);
    ASSERT_TRUE(result.ok()) << text << ": " << result.error().message;
    EXPECT_EQ(*result, text);
  }
}

TEST(Authority, DropsTheColonOfAnEmptyPort) {
  EXPECT_EQ(*parse_authority("example.org:"), "example.org");
  EXPECT_EQ(*parse_authority("[::1]:"), "[::1]");
}

TEST(Authority, RefusesTheRest) {
  struct Case {
    std::string_view text;
    std::string_view message;
  };
  constexpr std::string_view kCharacter = "host: a character that is not allowed";
  constexpr std::string_view kPort = "host: the port is not a number from 0 to 65535";
  constexpr std::string_view kUserinfo = "host: userinfo is not accepted";
  constexpr std::string_view kAddress = "host: no IPv6 address between the brackets";
  const Case cases[] = {
      {"user@a", kUserinfo},
      {"user:secret@a", kUserinfo},
      {"user:80@a:80", kUserinfo},
      {"a b", kCharacter},
      {"a/b", kCharacter},
      {"a?b", kCharacter},
      {"a\\b", kCharacter},
      {"a#b", kCharacter},
      {"a\"b", kCharacter},
      {"a<b>", kCharacter},
      {"a\xe4", kCharacter},
      {"a\x01", kCharacter},
      {std::string_view("a\0b", 3), kCharacter},
      {"a]", kCharacter},
      {"[::1]a", kCharacter},
      {"[::1][::1]", kCharacter},
      {"a%41", "host: percent-encoding is not accepted"},
      {"a:b", kPort},
      {"a:65536", kPort},
      {"a:000080", kPort},
      {"a:-1", kPort},
      {"a:+1", kPort},
      {"a:80:80", kPort},
      {"a:8 0", kPort},
      {"::1", "host: the port is not a number from 0 to 65535"},
      {":80", "host: a port without a host"},
      {":", "host: a port without a host"},
      {"[::1", "host: \"[\" without \"]\""},
      {"[", "host: \"[\" without \"]\""},
      {"[]", kAddress},
      {"[1.2.3.4]", kAddress},
      {"[::1%25eth0]", kAddress},
      {"[fe80::1%eth0]", kAddress},
      {"[v1.fe80::a]", kAddress},
      {"[:::1]", kAddress},
      {"[1:2:3:4:5:6:7:8:9]", kAddress},
      {"[0000:0000:0000:0000:0000:0000:0000:0000:0000:0000]", kAddress},
      {std::string_view("[::1\0]", 6), kAddress},
  };
  for (const Case& c : cases) {
    auto result = parse_authority(c.text);
    ASSERT_FALSE(result.ok()) << c.text;
    EXPECT_EQ(result.error().message, c.message) << c.text;
    EXPECT_EQ(result.error().status, 400);
    EXPECT_EQ(result.error().fault, Fault::client);
  }
}

}  // namespace
}  // namespace banyan::http
