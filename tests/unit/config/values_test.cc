#include "config/values.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace banyan::config {
namespace {

TEST(AddressTest, ReadsWhatItPrints) {
  for (const char* text : {"127.0.0.1:80", "0.0.0.0:0", "[::1]:65535", "[fe80::1]:443", "node:3000",
                           "my_service.internal:1", "unix:/run/x.sock"}) {
    Result<Address> address = parse_address(text);
    ASSERT_TRUE(address) << text;
    EXPECT_EQ(address->text(), text);
  }
}

TEST(AddressTest, KnowsItsKind) {
  EXPECT_EQ(parse_address("127.0.0.1:80")->kind, Address::Kind::ipv4);
  EXPECT_EQ(parse_address("[::1]:80")->kind, Address::Kind::ipv6);
  EXPECT_EQ(parse_address("node:80")->kind, Address::Kind::name);
  EXPECT_EQ(parse_address("unix:/x")->kind, Address::Kind::unix_socket);
  EXPECT_EQ(parse_address("unix:/x")->host, "/x");
}

TEST(AddressTest, RefusesTheRest) {
  const std::string nul("a\0b:80", 6);
  for (const std::string& text : std::vector<std::string>{"",
                                                          ":",
                                                          ":80",
                                                          "80",
                                                          "a",
                                                          "a:",
                                                          "a:b",
                                                          "a:-1",
                                                          "a:65536",
                                                          "a:99999999999",
                                                          "a:80x",
                                                          "::1:80",
                                                          "[::1]",
                                                          "[::1]:",
                                                          "[]:80",
                                                          "[1.2.3.4]:80",
                                                          "1.2.3:80",
                                                          "999.1.1.1:80",
                                                          "-a:80",
                                                          "a b:80",
                                                          "*:80",
                                                          "unix:",
                                                          "unix:x",
                                                          "http://a:80",
                                                          nul,
                                                          "unix:/" + std::string(107, 'x'),
                                                          std::string(254, 'a') + ":80"}) {
    EXPECT_FALSE(parse_address(text)) << text;
  }
}

std::vector<uint8_t> ipv4(uint8_t a, uint8_t b, uint8_t c, uint8_t d) { return {a, b, c, d}; }
std::vector<uint8_t> mapped(uint8_t a, uint8_t b, uint8_t c, uint8_t d) {
  return {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d};
}
std::vector<uint8_t> ipv6(uint8_t first, uint8_t last) {
  std::vector<uint8_t> bytes(16);
  bytes[0] = first;
  bytes[15] = last;
  return bytes;
}

TEST(CidrTest, HoldsItsAddresses) {
  const Cidr eight = *parse_cidr("10.0.0.0/8");
  EXPECT_TRUE(eight.contains(ipv4(10, 255, 0, 1)));
  EXPECT_TRUE(eight.contains(mapped(10, 0, 0, 1)));
  EXPECT_FALSE(eight.contains(ipv4(11, 0, 0, 0)));
  EXPECT_FALSE(eight.contains(ipv6(10, 0)));
  EXPECT_FALSE(eight.contains({}));
  const Cidr odd = *parse_cidr("192.168.4.0/22");
  EXPECT_TRUE(odd.contains(ipv4(192, 168, 7, 255)));
  EXPECT_FALSE(odd.contains(ipv4(192, 168, 8, 0)));
  EXPECT_FALSE(odd.contains(ipv4(192, 168, 3, 255)));
  const Cidr one = *parse_cidr("127.0.0.1");
  EXPECT_TRUE(one.contains(ipv4(127, 0, 0, 1)));
  EXPECT_FALSE(one.contains(ipv4(127, 0, 0, 2)));
}

TEST(CidrTest, HoldsIpv6AndUnix) {
  const Cidr local = *parse_cidr("fc00::/7");
  EXPECT_TRUE(local.contains(ipv6(0xfd, 9)));
  EXPECT_FALSE(local.contains(ipv6(0xfe, 9)));
  EXPECT_FALSE(local.contains(ipv4(0xfd, 0, 0, 0)));
  EXPECT_TRUE(parse_cidr("::/0")->contains(ipv6(0x20, 1)));
  EXPECT_FALSE(parse_cidr("::/0")->contains(ipv4(1, 2, 3, 4)));
  EXPECT_TRUE(parse_cidr("0.0.0.0/0")->contains(ipv4(1, 2, 3, 4)));
  EXPECT_TRUE(parse_cidr("unix:")->contains({}));
  EXPECT_FALSE(parse_cidr("unix:")->contains(ipv4(0, 0, 0, 0)));
  EXPECT_TRUE(parse_cidr("::ffff:10.0.0.0/104")->contains(ipv4(10, 1, 2, 3)));
  EXPECT_EQ(parse_cidr("::ffff:10.0.0.0/104")->text(), "10.0.0.0/8");
}

TEST(CidrTest, RefusesTheRest) {
  const std::string nul("10.0.0.0\0", 9);
  for (const std::string& text :
       std::vector<std::string>{"", "/", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/8 ",
                                "10.0.0.1/8", "::/129", "::1/127", "10", "a", "unix", "10.0.0.0/8/8", nul}) {
    EXPECT_FALSE(parse_cidr(text)) << text;
  }
}

TEST(CidrTest, ListHoldsWhatOneHolds) {
  const std::vector<Cidr> list = {*parse_cidr("10.0.0.0/8"), *parse_cidr("fd00::/8")};
  EXPECT_TRUE(contains(list, ipv4(10, 0, 0, 1)));
  EXPECT_TRUE(contains(list, ipv6(0xfd, 1)));
  EXPECT_FALSE(contains(list, ipv4(9, 0, 0, 1)));
  EXPECT_FALSE(contains({}, ipv4(9, 0, 0, 1)));
}

TEST(TargetTest, ReadsWhatItPrints) {
  for (const char* text : {"upstream.node", "handler.a-b", "rollout.x_1"})
    EXPECT_EQ(parse_target(text)->text(), text);
  for (const char* text : {"", "node", "upstream", "upstream.", ".x", "Upstream.x", "lua.x"}) {
    EXPECT_FALSE(parse_target(text)) << text;
  }
}

TEST(ClientKeyTest, ReadsWhatItPrints) {
  for (const char* text : {"client_ip", "cookie:uid", "header:X-User-Id"}) {
    EXPECT_EQ(parse_client_key(text)->text(), text);
  }
  for (const char* text :
       {"", "ip", "cookie", "cookie:", "cookie:a b", "header:a:b", "client_ip:x", "uid:x"}) {
    EXPECT_FALSE(parse_client_key(text)) << text;
  }
}

TEST(WhereTest, NeverMakesADifference) {
  EXPECT_EQ((Where{"a", 1, 2}), (Where{"b", 3, 4}));
  EXPECT_EQ((Where{"a.toml", 1, 2}).text(), "a.toml:1:2");
  EXPECT_EQ(Where{}.text(), "default");
}

}  // namespace
}  // namespace banyan::config
