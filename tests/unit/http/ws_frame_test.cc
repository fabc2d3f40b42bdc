#include "http/ws_frame.h"

#include <gtest/gtest.h>

#include <random>

namespace banyan::http {
namespace {

using namespace std::string_literals;

TEST(WsFrame, HeadsOfEverySizeComeBack) {
  for (uint64_t size : {uint64_t{0}, uint64_t{125}, uint64_t{126}, uint64_t{65535}, uint64_t{65536},
                        uint64_t{0x7fffffffffffffff}}) {
    std::string bytes;
    append_ws_head(WsOpcode::binary, size, true, bytes);
    for (size_t cut = 0; cut < bytes.size(); ++cut) {
      const WsHeadParse part = parse_ws_head(bytes.substr(0, cut));
      EXPECT_EQ(part.head_size, 0u);
      EXPECT_EQ(part.wrong, "");
    }
    const WsHeadParse parse = parse_ws_head(bytes);
    EXPECT_EQ(parse.head_size, bytes.size());
    EXPECT_EQ(parse.head.size, size);
    EXPECT_EQ(parse.head.opcode, WsOpcode::binary);
    EXPECT_TRUE(parse.head.fin && parse.head.rsv1 && !parse.head.masked);
  }
}

TEST(WsFrame, WhatIsWrongIsSaidWithTheFirstBytes) {
  EXPECT_EQ(parse_ws_head("\xa1\x80").wrong, "reserved bits are set");
  EXPECT_EQ(parse_ws_head("\x91\x80").wrong, "reserved bits are set");
  for (char opcode : {'\x3', '\x7', '\xb', '\xf'}) {
    EXPECT_EQ(parse_ws_head(std::string{static_cast<char>(0x80 | opcode), '\0'}).wrong, "reserved opcode");
  }
  EXPECT_EQ(parse_ws_head("\x09\x80").wrong, "fragmented control frame");
  EXPECT_EQ(parse_ws_head("\xc9\x80").wrong, "compressed control frame");
  EXPECT_EQ(parse_ws_head("\x89\xfe").wrong, "control frame longer than 125 bytes");
  EXPECT_EQ(parse_ws_head("\x82\x7e\x00\x7d"s).wrong, "size not in its shortest form");
  EXPECT_EQ(parse_ws_head("\x82\x7f\x00\x00\x00\x00\x00\x00\xff\xff"s).wrong,
            "size not in its shortest form");
  EXPECT_EQ(parse_ws_head("\x82\x7f\x80\x00\x00\x00\x00\x01\x00\x00"s).wrong,
            "size with the topmost bit set");
}

TEST(WsFrame, TheMaskOfTheStandardsExample) {
  // RFC 6455 section 5.7: a masked "Hello".
  std::string bytes = "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";
  const WsHeadParse parse = parse_ws_head(bytes);
  ASSERT_EQ(parse.head_size, 6u);
  std::string payload = bytes.substr(6);
  apply_ws_mask(payload, parse.head.mask, 0);
  EXPECT_EQ(payload, "Hello");
}

TEST(WsFrame, AMaskInPartsIsTheSameMask) {
  std::mt19937 random(7);
  std::string text(1000, '\0');
  for (char& c : text) c = static_cast<char>(random());
  const std::array<uint8_t, 4> mask = {1, 0x82, 0x43, 0xf4};
  std::string expected = text;
  for (size_t i = 0; i < text.size(); ++i) expected[i] = static_cast<char>(text[i] ^ mask[i % 4]);
  for (int round = 0; round < 100; ++round) {
    std::string parts = text;
    for (size_t at = 0; at < parts.size();) {
      const size_t size = std::min<size_t>(random() % 40, parts.size() - at);
      apply_ws_mask(std::span(parts).subspan(at, size), mask, at);
      at += size;
    }
    ASSERT_EQ(parts, expected);
  }
}

TEST(WsFrame, CloseFrames) {
  std::string bytes;
  append_ws_close(WsClose::going_away, "bye", bytes);
  EXPECT_EQ(bytes, "\x88\x05\x03\xe9"s + "bye");
  bytes.clear();
  append_ws_close(WsClose::no_status, "", bytes);
  EXPECT_EQ(bytes, "\x88\x00"s);
  bytes.clear();
  std::string reason;
  for (int i = 0; i < 60; ++i) reason += "\xe2\x82\xac";  // 180 bytes
  append_ws_close(WsClose::normal, reason, bytes);
  EXPECT_EQ(bytes.size(), 4u + 123u);  // 41 characters of 3 bytes
  bytes.clear();
  append_ws_close(WsClose::normal, "x" + reason, bytes);
  EXPECT_EQ(bytes.size(), 4u + 121u);  // not through a character
}

TEST(WsFrame, CodesThatMayBeSent) {
  for (int code : {1000, 1001, 1002, 1003, 1007, 1011, 1012, 1013, 1014, 3000, 4999}) {
    EXPECT_TRUE(may_be_sent(static_cast<uint16_t>(code))) << code;
  }
  for (int code : {0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535}) {
    EXPECT_FALSE(may_be_sent(static_cast<uint16_t>(code))) << code;
  }
}

}  // namespace
}  // namespace banyan::http
