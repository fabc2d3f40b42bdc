#include "net/ip_address.h"

#include <gtest/gtest.h>
#include <sys/un.h>

#include <vector>

#include "unit/net/sockets.h"

namespace banyan::net {
namespace {

std::string text_of(const IpAddress& ip) {
  IpAddress::TextBuffer buffer;
  return std::string(ip.text(buffer));
}

std::string host_of(const IpAddress& ip) {
  IpAddress::TextBuffer buffer;
  return std::string(ip.host_text(buffer));
}

TEST(IpAddress, TextsOfEachFamily) {
  EXPECT_EQ(text_of(*IpAddress::parse("192.0.2.7", 80)), "192.0.2.7:80");
  EXPECT_EQ(host_of(*IpAddress::parse("192.0.2.7", 80)), "192.0.2.7");
  EXPECT_EQ(text_of(*IpAddress::parse("2001:db8::1", 65535)), "[2001:db8::1]:65535");
  EXPECT_EQ(host_of(*IpAddress::parse("2001:db8::1")), "2001:db8::1");
  EXPECT_EQ(text_of(IpAddress::unix_peer()), "unix:");
  EXPECT_EQ(text_of(IpAddress()), "0.0.0.0:0");
}

TEST(IpAddress, TheLongestTextFits) {
  std::string longest = "1111:2222:3333:4444:5555:6666:7777:8888";
  EXPECT_EQ(text_of(*IpAddress::parse(longest, 65535)), "[" + longest + "]:65535");
}

TEST(IpAddress, ParseRefusesWhatIsNoAddress) {
  for (std::string_view text :
       {"", "localhost", "1.2.3", "1.2.3.4.5", "::g", "[::1]", "1.2.3.4 ", "fe80::1%eth0"}) {
    EXPECT_FALSE(IpAddress::parse(text)) << text;
  }
  EXPECT_FALSE(IpAddress::parse(std::string_view("1.2.3.4\0", 8)));
  EXPECT_FALSE(IpAddress::parse(std::string(100, '1')));
}

TEST(IpAddress, MappedIsTheSameAsPlain) {
  EXPECT_EQ(*IpAddress::parse("::ffff:192.0.2.7", 80), *IpAddress::parse("192.0.2.7", 80));
  EXPECT_FALSE(*IpAddress::parse("192.0.2.7", 80) == *IpAddress::parse("192.0.2.7", 81));
}

TEST(IpAddress, BytesAreWhatAccessListsTake) {
  std::vector<config::Cidr> networks = {*config::parse_cidr("10.0.0.0/8"), *config::parse_cidr("fd00::/8")};
  EXPECT_TRUE(config::contains(networks, IpAddress::parse("10.1.2.3")->bytes()));
  EXPECT_FALSE(config::contains(networks, IpAddress::parse("11.1.2.3")->bytes()));
  EXPECT_TRUE(config::contains(networks, IpAddress::parse("fd00::1")->bytes()));
  EXPECT_TRUE(config::contains(networks, IpAddress::parse("::ffff:10.1.2.3")->bytes()));
  std::vector<config::Cidr> unix_only = {*config::parse_cidr("unix:")};
  EXPECT_TRUE(config::contains(unix_only, IpAddress::unix_peer().bytes()));
  EXPECT_FALSE(config::contains(unix_only, IpAddress().bytes()));  // nobody is not trusted
}

TEST(IpAddress, OfAPeer) {
  SocketPair pair = make_tcp_pair();
  IpAddress peer = IpAddress::of_peer(pair.local.get());
  EXPECT_EQ(host_of(peer), "127.0.0.1");
  EXPECT_EQ(peer.port(), bound_port(pair.peer.get()));
  EXPECT_EQ(IpAddress::of_peer(-1), IpAddress());
}

TEST(SocketAddress, FromConfiguration) {
  for (std::string_view text : {"127.0.0.1:80", "[::1]:443", "unix:/run/x.sock"}) {
    auto address = SocketAddress::make(*config::parse_address(text));
    ASSERT_TRUE(address) << text;
    EXPECT_EQ(address->text(), text);
  }
  EXPECT_EQ(SocketAddress::make(*config::parse_address("[::1]:443"))->family(), AF_INET6);
  auto name = SocketAddress::make(*config::parse_address("example.org:80"));
  ASSERT_FALSE(name);
  EXPECT_EQ(name.error().message, "example.org:80: is a name, not an address");
}

TEST(SocketAddress, UnixPathMustFit) {
  config::Address address{config::Address::Kind::unix_socket, "/" + std::string(106, 'x'), 0};
  auto longest = SocketAddress::make(address);
  ASSERT_TRUE(longest);
  EXPECT_EQ(longest->text(), "unix:" + address.host);
  address.host += 'x';
  EXPECT_FALSE(SocketAddress::make(address));
}

TEST(SocketAddress, FromAnIpAndBack) {
  for (std::string_view text : {"192.0.2.7", "2001:db8::1"}) {
    IpAddress ip = *IpAddress::parse(text, 8080);
    EXPECT_EQ(SocketAddress::of_ip(ip).ip(), ip);
  }
}

}  // namespace
}  // namespace banyan::net
