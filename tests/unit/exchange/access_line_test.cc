#include "exchange/access_line.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>

#include "exchange/log_pen.h"

namespace banyan::exchange {
namespace {

TEST(AccessLine, CombinedEscapesWhatCouldForgeALine) {
  http::RequestHead head;
  head.method_text = "GET";
  head.target = "/a\"b";
  head.fields.add("User-Agent", "x\ny\\");
  AccessFacts facts;
  facts.request = &head;
  facts.remote_addr = "192.0.2.1";
  facts.time_local = "21/Nov/2026:01:23:28 +0000";
  facts.status = 200;
  facts.body_bytes_sent = 5;
  std::string line;
  append_access_line(facts, config::AccessLog::Format::combined, line);
  EXPECT_EQ(
      line,
      "192.0.2.1 - - [21/Nov/2026:01:23:28 +0000] \"GET /a\\x22b HTTP/1.1\" 200 5 \"-\" \"x\\x0Ay\\x5C\"\n");
}

TEST(AccessLine, JsonIsAlwaysOneLineOfJson) {
  http::RequestHead head;
  head.method_text = "GET";
  head.target = "/\"\\\x01\xff";
  AccessFacts facts;
  facts.request = &head;
  facts.remote_addr = "::1";
  facts.request_time = std::chrono::microseconds(1500);
  facts.term = {'C', 'D'};
  std::string line;
  append_access_line(facts, config::AccessLog::Format::json, line);
  EXPECT_NE(line.find("\"uri\":\"/\\\"\\\\\\u0001\\u00ff\""), std::string::npos) << line;
  EXPECT_NE(line.find("\"request_time\":0.001500"), std::string::npos) << line;
  EXPECT_NE(line.find("\"term\":\"CD\""), std::string::npos);
  EXPECT_TRUE(line.starts_with("{") && line.ends_with("}\n"));
  EXPECT_EQ(std::count(line.begin(), line.end(), '\n'), 1);
}

// Every length and place of a byte that has to be escaped, across the parts in which the pen works.
TEST(LogPen, EscapesWhereverAByteStands) {
  for (size_t size : {1, 7, 8, 9, 16, 23, 511, 512, 513, 2000}) {
    for (size_t at = 0; at < size; at += size < 30 ? 1 : 61) {
      for (char byte : {'\0', '\x1f', '"', '\\', '\x7f', '\x80', '\xff'}) {
        std::string text(size, '~');
        text[at] = byte;
        std::string line;
        {
          LogPen pen(line);
          pen.put("\"");
          pen.escaped(text, LogPen::Escape::json);
          pen.put("\"");
        }
        // A byte beyond ASCII stands as the character of that number.
        const auto number = static_cast<unsigned char>(byte);
        std::string expected = text;
        if (number >= 0x80) {
          expected.replace(at, 1,
                           {static_cast<char>(0xc0 | number >> 6), static_cast<char>(0x80 | (number & 63))});
        }
        EXPECT_EQ(nlohmann::json::parse(line).get<std::string>(), expected) << line;
        line.clear();
        LogPen(line).escaped(text, LogPen::Escape::nginx);
        EXPECT_EQ(line.size(), size + 3) << line;
        EXPECT_EQ(line.substr(at, 2), "\\x");
      }
    }
  }
}

TEST(LogPen, LeavesPlainTextAlone) {
  std::string plain;
  for (char c = ' '; c < 0x7f; ++c) {
    if (c != '"' && c != '\\') plain += c;
  }
  std::mt19937 random(5);
  for (int i = 0; i < 500; ++i) {
    std::string text;
    for (size_t n = random() % 1500; n > 0; --n) text += plain[random() % plain.size()];
    std::string line = "before ";
    LogPen(line).escaped(text, LogPen::Escape::json);
    EXPECT_EQ(line, "before " + text);
  }
}

TEST(LogPen, Numbers) {
  using std::chrono::nanoseconds;
  std::string line;
  {
    LogPen pen(line);
    for (uint64_t number : {uint64_t{0}, uint64_t{7}, ~uint64_t{0}}) {
      pen.number(number);
      pen.put(" ");
    }
    for (int64_t value : {int64_t{0}, int64_t{499}, int64_t{500}, int64_t{1'500'000}, int64_t{999'999'500},
                          int64_t{86'400'000'000'001}, int64_t{-5'000'000}}) {
      pen.seconds(nanoseconds(value));
      pen.put(" ");
    }
  }
  EXPECT_EQ(line,
            "0 7 18446744073709551615 0.000000 0.000000 0.000001 0.001500 1.000000 86400.000000 0.000000 ");
}

}  // namespace
}  // namespace banyan::exchange
