#include "net/proxy_protocol.h"

#include <gtest/gtest.h>

#include <fmt/format.h>

#include <random>
#include <vector>

#include "unit/net/sockets.h"

namespace banyan::net {
namespace {

std::string text_of(const std::optional<IpAddress>& ip) {
  if (!ip) return "none";
  IpAddress::TextBuffer buffer;
  return std::string(ip->text(buffer));
}

// What a header says: "size source destination", "more", or the error.
std::string said(std::string_view bytes) {
  auto header = parse_proxy_header(bytes);
  if (!header) return header.error().message;
  if (!*header) return "more";
  return fmt::format("{} {} {}", (*header)->size, text_of((*header)->source),
                     text_of((*header)->destination));
}

std::string version2(uint8_t kind, uint8_t family, std::string_view block) {
  std::string header("\r\n\r\n\0\r\nQUIT\n", 12);
  header += static_cast<char>(kind);
  header += static_cast<char>(family);
  header += static_cast<char>(block.size() >> 8);
  header += static_cast<char>(block.size());
  return header.append(block);
}

const std::string kBlock4("\xc0\x00\x02\x07\xcb\x00\x71\x05\xc8\x22\x01\xbb", 12);
const std::string kBlock6 = std::string("\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01", 16) +
                            std::string("\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02", 16) +
                            std::string("\x00\x50\x1f\x90", 4);

TEST(ProxyProtocol, Version1) {
  EXPECT_EQ(said("PROXY TCP4 192.0.2.7 203.0.113.5 51234 443\r\nGET /"),
            "44 192.0.2.7:51234 203.0.113.5:443");
  EXPECT_EQ(said("PROXY TCP6 2001:db8::1 2001:db8::2 80 8080\r\n"), "44 [2001:db8::1]:80 [2001:db8::2]:8080");
  EXPECT_EQ(said("PROXY UNKNOWN\r\n"), "15 none none");
  EXPECT_EQ(said("PROXY UNKNOWN ffff::1 whatever 1 2\r\n"), "36 none none");
  EXPECT_EQ(said("PROXY TCP4 0.0.0.0 255.255.255.255 0 65535\r\n"), "44 0.0.0.0:0 255.255.255.255:65535");
}

TEST(ProxyProtocol, Version2) {
  EXPECT_EQ(said(version2(0x21, 0x11, kBlock4) + "GET /"), "28 192.0.2.7:51234 203.0.113.5:443");
  EXPECT_EQ(said(version2(0x21, 0x21, kBlock6)), "52 [2001:db8::1]:80 [2001:db8::2]:8080");
  EXPECT_EQ(said(version2(0x21, 0x11, kBlock4 + std::string("\x04\x00\x03xyz", 6))),
            "34 192.0.2.7:51234 203.0.113.5:443");
}

TEST(ProxyProtocol, Version2WithoutAnAddressOfUse) {
  EXPECT_EQ(said(version2(0x20, 0x00, "")), "16 none none");       // LOCAL
  EXPECT_EQ(said(version2(0x20, 0x11, kBlock4)), "28 none none");  // LOCAL: the block does not count
  EXPECT_EQ(said(version2(0x20, 0xff, "")), "16 none none");       // nor does the family
  EXPECT_EQ(said(version2(0x21, 0x00, "abc")), "19 none none");    // UNSPEC
  EXPECT_EQ(said(version2(0x21, 0x12, kBlock4)), "28 none none");  // UDP
  EXPECT_EQ(said(version2(0x21, 0x31, std::string(216, '/'))), "232 none none");  // unix
}

TEST(ProxyProtocol, EveryPrefixAsksForMore) {
  std::vector<std::string> headers = {
      "PROXY TCP4 192.0.2.7 203.0.113.5 51234 443\r\n", "PROXY UNKNOWN\r\n", version2(0x21, 0x11, kBlock4),
      version2(0x21, 0x21, kBlock6 + std::string("\x04\x00\x03xyz", 6)), version2(0x20, 0, "")};
  for (const std::string& header : headers) {
    for (size_t size = 0; size < header.size(); ++size)
      EXPECT_EQ(said(header.substr(0, size)), "more") << size;
    EXPECT_NE(said(header), "more");
  }
}

TEST(ProxyProtocol, RefusesWhatIsNoHeader) {
  for (std::string_view text :
       {"GET / HTTP/1.1\r\n", "P ", "PROXX ", "proxy TCP4 ", "\r\n\r\nGET", " PROXY "}) {
    EXPECT_EQ(said(text), "PROXY protocol: connection does not begin with a header") << text;
  }
}

TEST(ProxyProtocol, RefusesMalformedVersion1) {
  for (std::string_view rest :
       {"TCP4 192.0.2.7 203.0.113.5 51234", "TCP4 192.0.2.7 203.0.113.5 51234 443 ",
        "TCP4 192.0.2.7 203.0.113.5 51234 443 1", "TCP4  192.0.2.7 203.0.113.5 51234 443",
        "TCP4 192.0.2.7 203.0.113.5 65536 443", "TCP4 192.0.2.7 203.0.113.5 -1 443",
        "TCP4 192.0.2.7 203.0.113.5 +1 443", "TCP4 192.0.2.7 203.0.113.5 01 443",
        "TCP4 192.0.2.7 203.0.113.5  443", "TCP4 ::1 ::2 1 2", "TCP6 192.0.2.7 203.0.113.5 1 2",
        "TCP4 a b 1 2", "TCP4 192.0.2.07 203.0.113.5 1 2", "TCP6 [::1] ::2 1 2", "TCP4"}) {
    EXPECT_EQ(said(fmt::format("PROXY {}\r\n", rest)), "PROXY protocol: malformed addresses") << rest;
  }
  EXPECT_EQ(said("PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n"), "PROXY protocol: unknown family");
  EXPECT_EQ(said("PROXY \r\n"), "PROXY protocol: unknown family");
}

TEST(ProxyProtocol, Version1IsBounded) {
  std::string longest = "PROXY UNKNOWN " + std::string(107 - 14 - 2, 'x') + "\r\n";
  EXPECT_EQ(said(longest), "107 none none");
  longest.insert(14, "x");
  EXPECT_EQ(said(longest), "PROXY protocol: line without an end");
  EXPECT_EQ(said(longest.substr(0, 106)), "more");
}

TEST(ProxyProtocol, RefusesMalformedVersion2) {
  EXPECT_EQ(said(version2(0x11, 0x11, kBlock4)), "PROXY protocol: unknown version or command");
  EXPECT_EQ(said(version2(0x22, 0x11, kBlock4)), "PROXY protocol: unknown version or command");
  for (uint8_t family : {0x10, 0x01, 0x13, 0x41, 0x20, 0xff}) {
    EXPECT_EQ(said(version2(0x21, family, kBlock4)), "PROXY protocol: unknown family") << int{family};
  }
  EXPECT_EQ(said(version2(0x21, 0x11, kBlock4.substr(1))), "PROXY protocol: addresses are cut off");
  EXPECT_EQ(said(version2(0x21, 0x21, kBlock4)), "PROXY protocol: addresses are cut off");
  EXPECT_EQ(said(version2(0x21, 0x11, std::string(4080, 'x'))).substr(0, 5), "4096 ");
  EXPECT_EQ(said(version2(0x21, 0x11, std::string(4081, 'x'))), "PROXY protocol: header is too long");
}

IpAddress ip(std::string_view text, uint16_t port) { return *IpAddress::parse(text, port); }

constexpr auto kV1 = config::ProxyProtocol::v1;
constexpr auto kV2 = config::ProxyProtocol::v2;

TEST(ProxyProtocol, MakesVersion1) {
  EXPECT_EQ(make_proxy_header(kV1, ip("192.0.2.7", 51234), ip("203.0.113.5", 443)),
            "PROXY TCP4 192.0.2.7 203.0.113.5 51234 443\r\n");
  EXPECT_EQ(make_proxy_header(kV1, ip("2001:db8::1", 80), ip("2001:db8::2", 8080)),
            "PROXY TCP6 2001:db8::1 2001:db8::2 80 8080\r\n");
  EXPECT_EQ(make_proxy_header(kV1, ip("192.0.2.7", 0), ip("2001:db8::2", 65535)),
            "PROXY TCP6 ::ffff:192.0.2.7 2001:db8::2 0 65535\r\n");
}

TEST(ProxyProtocol, MakesVersion2) {
  EXPECT_EQ(make_proxy_header(kV2, ip("192.0.2.7", 51234), ip("203.0.113.5", 443)),
            version2(0x21, 0x11, kBlock4));
  EXPECT_EQ(make_proxy_header(kV2, ip("2001:db8::1", 80), ip("2001:db8::2", 8080)),
            version2(0x21, 0x21, kBlock6));
  const std::string mixed = std::string("\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01", 16) +
                            std::string("\0\0\0\0\0\0\0\0\0\0\xff\xff\xcb\0\x71\x05", 16) +
                            std::string("\x00\x50\x01\xbb", 4);
  EXPECT_EQ(make_proxy_header(kV2, ip("2001:db8::1", 80), ip("203.0.113.5", 443)),
            version2(0x21, 0x21, mixed));
}

TEST(ProxyProtocol, MakesHeadersWithoutAddresses) {
  const IpAddress known = ip("192.0.2.7", 1);
  const std::vector<std::pair<IpAddress, IpAddress>> unknown = {{IpAddress(), known},
                                                                {known, IpAddress()},
                                                                {IpAddress::unix_peer(), known},
                                                                {known, IpAddress::unix_peer()}};
  for (const auto& [source, destination] : unknown) {
    EXPECT_EQ(make_proxy_header(kV1, source, destination), "PROXY UNKNOWN\r\n");
    EXPECT_EQ(make_proxy_header(kV2, source, destination), version2(0x20, 0x00, ""));
  }
  EXPECT_EQ(make_local_proxy_header(kV1), "PROXY UNKNOWN\r\n");
  EXPECT_EQ(make_local_proxy_header(kV2), version2(0x20, 0x00, ""));
  EXPECT_EQ(make_proxy_header(config::ProxyProtocol::off, known, known), "");
}

TEST(ProxyProtocol, ParsesWhatItMakes) {
  const std::vector<IpAddress> addresses = {ip("0.0.0.0", 1), ip("192.0.2.7", 0),
                                            ip("255.255.255.255", 65535), ip("::1", 443),
                                            ip("2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", 65535)};
  for (config::ProxyProtocol version : {kV1, kV2}) {
    for (const IpAddress& source : addresses) {
      for (const IpAddress& destination : addresses) {
        const std::string header = make_proxy_header(version, source, destination);
        EXPECT_EQ(said(header + "GET /"),
                  fmt::format("{} {} {}", header.size(), text_of(source), text_of(destination)));
      }
    }
  }
}

// Whatever comes: an answer within the bytes given.
TEST(ProxyProtocol, RandomBytesNeverConsumeMoreThanThereIs) {
  std::mt19937 random(11);
  std::vector<std::string> seeds = {"PROXY TCP4 192.0.2.7 203.0.113.5 51234 443\r\n",
                                    version2(0x21, 0x21, kBlock6)};
  for (int i = 0; i < 20'000; ++i) {
    std::string bytes = seeds[random() % 2];
    for (size_t change = random() % 4; change > 0; --change)
      bytes[random() % bytes.size()] = static_cast<char>(random());
    bytes.resize(random() % (bytes.size() + 10), 'z');
    std::string copy(bytes);  // exact size, so that the sanitizer sees a step too far
    copy.shrink_to_fit();
    auto header = parse_proxy_header(copy);
    if (header && *header) {
      EXPECT_LE((*header)->size, copy.size());
    }
  }
}

TEST(ProxyProtocol, TakesExactlyTheHeaderFromASocket) {
  SocketPair pair = make_tcp_pair();
  auto nothing = take_proxy_header(pair.local.get());
  ASSERT_TRUE(nothing);
  EXPECT_FALSE(*nothing);
  std::string header = version2(0x21, 0x11, kBlock4);
  pair.send(header.substr(0, 20));
  auto part = take_proxy_header(pair.local.get());
  ASSERT_TRUE(part);
  EXPECT_FALSE(*part);
  pair.send(header.substr(20) + "\x16\x03\x01");
  auto whole = take_proxy_header(pair.local.get());
  ASSERT_TRUE(whole);
  ASSERT_TRUE(*whole);
  EXPECT_EQ(text_of((*whole)->source), "192.0.2.7:51234");
  char rest[10];
  EXPECT_EQ(recv(pair.local.get(), rest, sizeof rest, 0), 3);
}

TEST(ProxyProtocol, AClosedSocketIsAnError) {
  SocketPair pair = make_tcp_pair();
  pair.peer.reset();
  event::Loop loop;
  EXPECT_TRUE(run_until(loop, [&] { return !take_proxy_header(pair.local.get()).ok(); }));
}

}  // namespace
}  // namespace banyan::net
