#include "http/ws_deflate.h"

#include <gtest/gtest.h>

#include <random>

namespace banyan::http {
namespace {

std::string answer(std::string_view offer) {
  const auto chosen = choose_ws_deflate(offer);
  return chosen ? ws_deflate_answer(*chosen) : "none";
}

constexpr std::string_view kPlain =
    "permessage-deflate; server_no_context_takeover; client_no_context_takeover";

TEST(WsDeflate, OffersThatCanBeKept) {
  EXPECT_EQ(answer("permessage-deflate"), kPlain);
  EXPECT_EQ(answer("permessage-deflate; client_max_window_bits"), kPlain);
  EXPECT_EQ(answer("x-webkit-deflate-frame, permessage-deflate; client_no_context_takeover"), kPlain);
  EXPECT_EQ(answer("permessage-deflate; server_max_window_bits=15"),
            std::string(kPlain) + "; server_max_window_bits=15");
  EXPECT_EQ(answer("permessage-deflate; server_max_window_bits=10"),
            std::string(kPlain) + "; server_max_window_bits=10");
  EXPECT_EQ(answer("permessage-deflate; server_max_window_bits=\"12\" ; client_max_window_bits=9"),
            std::string(kPlain) + "; server_max_window_bits=12");
}

TEST(WsDeflate, TheFirstOfferThatCanBeKept) {
  EXPECT_EQ(answer("permessage-deflate; server_max_window_bits=8, permessage-deflate"), kPlain);
  EXPECT_EQ(answer("permessage-deflate; unknown, permessage-deflate; server_max_window_bits=9"),
            std::string(kPlain) + "; server_max_window_bits=9");
}

TEST(WsDeflate, OffersThatCannot) {
  for (std::string_view offer :
       {"", "x", "permessage-deflate; server_max_window_bits",
        "permessage-deflate; server_max_window_bits=16", "permessage-deflate; server_max_window_bits=08",
        "permessage-deflate; server_no_context_takeover=1", "permessage-deflate; client_max_window_bits=7",
        "permessage-deflate; client_max_window_bits=x",
        "permessage-deflate; client_max_window_bits; client_max_window_bits", "permessage-deflate; ;"}) {
    EXPECT_EQ(answer(offer), "none") << offer;
  }
}

TEST(WsDeflate, MessagesComeBackWithEveryWindow) {
  std::mt19937 random(11);
  for (uint8_t bits = 9; bits <= 15; ++bits) {
    for (size_t size : {1u, 100u, 5'000u, 100'000u}) {
      std::string text(size, '\0');
      for (char& c : text) c = static_cast<char>('a' + random() % 4);
      const auto packed = ws_compress(text, {.server_window_bits = bits});
      if (!packed) {
        EXPECT_LT(size, 100u);  // too little to become smaller
        continue;
      }
      std::string out;
      WsInflate inflate;
      ASSERT_EQ(inflate.add(*packed, size, out), WsInflate::Outcome::ok);
      ASSERT_EQ(inflate.finish(size, out), WsInflate::Outcome::ok);
      EXPECT_EQ(out, text);
    }
  }
}

TEST(WsDeflate, WhatDoesNotShrinkIsSentAsItIs) {
  std::mt19937 random(12);
  std::string noise(10'000, '\0');
  for (char& c : noise) c = static_cast<char>(random());
  EXPECT_FALSE(ws_compress(noise, {}));
  EXPECT_FALSE(ws_compress("", {}));
}

// RFC 7692 section 7.2.3: "Hello" in one block, without compression, in a last block, and in two blocks.
TEST(WsDeflate, ExamplesOfTheStandard) {
  using namespace std::string_literals;
  for (const std::string& packed :
       {"\xf2\x48\xcd\xc9\xc9\x07\x00"s, "\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00"s,
        "\xf3\x48\xcd\xc9\xc9\x07\x00\x00"s, "\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00"s}) {
    std::string out;
    WsInflate inflate;
    ASSERT_EQ(inflate.add(packed, 100, out), WsInflate::Outcome::ok);
    ASSERT_EQ(inflate.finish(100, out), WsInflate::Outcome::ok);
    EXPECT_EQ(out, "Hello");
  }
}

}  // namespace
}  // namespace banyan::http
