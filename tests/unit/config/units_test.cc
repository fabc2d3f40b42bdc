#include "config/units.h"

#include <gtest/gtest.h>

#include <limits>

namespace banyan::config {
namespace {

TEST(Duration, ReadsUnitsAndSums) {
  EXPECT_EQ(*parse_duration("250ms"), 250ms);
  EXPECT_EQ(*parse_duration("10s"), 10s);
  EXPECT_EQ(*parse_duration("5m"), 5min);
  EXPECT_EQ(*parse_duration("2h"), 2h);
  EXPECT_EQ(*parse_duration("7d"), 168h);
  EXPECT_EQ(*parse_duration("1h30m"), 90min);
  EXPECT_EQ(*parse_duration("1d2h3m4s5ms"), 26h + 3min + 4s + 5ms);
  EXPECT_EQ(*parse_duration("0"), 0ms);
  EXPECT_EQ(*parse_duration("0s"), 0ms);
  EXPECT_EQ(*parse_duration("3650d"), kLongestDuration);
}

TEST(Duration, RefusesOtherForms) {
  for (const char* text :
       {"", "10", "s", "10x", "10 s", "-1s", "+1s", "1.5s", "1s1m", "1m1m", "10S", "3651d", "1s ",
        "18446744073709551616ms", "99999999999999999999999d", "9223372036854775807s"}) {
    EXPECT_FALSE(parse_duration(text)) << text;
  }
}

TEST(Duration, PrintsWhatItReads) {
  for (const char* text : {"0s", "1ms", "1500ms", "90s", "1m", "90m", "36h", "7d"}) {
    EXPECT_EQ(format_duration(*parse_duration(text)), text);
  }
}

TEST(Size, ReadsUnits) {
  EXPECT_EQ(*parse_size("0"), 0u);
  EXPECT_EQ(*parse_size("512"), 512u);
  EXPECT_EQ(*parse_size("64k"), 65536u);
  EXPECT_EQ(*parse_size("10M"), 10u << 20);
  EXPECT_EQ(*parse_size("1g"), 1u << 30);
  EXPECT_EQ(*parse_size("9223372036854775807"), static_cast<uint64_t>(std::numeric_limits<int64_t>::max()));
}

TEST(Size, RefusesOtherForms) {
  for (const char* text :
       {"", "k", "1kb", "1t", "-1", "+1", "1.5m", "0x10", " 1", "1 ", "9223372036854775808", "8589934592g"}) {
    EXPECT_FALSE(parse_size(text)) << text;
  }
}

TEST(Size, PrintsTheLargestWholeUnit) {
  EXPECT_EQ(format_size(0), "0");
  EXPECT_EQ(format_size(1000), "1000");
  EXPECT_EQ(format_size(1536), "1536");
  EXPECT_EQ(format_size(64 * 1024), "64k");
  EXPECT_EQ(format_size(3u << 30), "3g");
}

TEST(Percent, KeepsTwoDecimals) {
  for (uint32_t hundredths = 0; hundredths <= 10'000; ++hundredths) {
    const std::string text = format_percent(hundredths);
    Result<uint32_t> back = to_hundredths(std::stod(text));
    ASSERT_TRUE(back) << text;
    ASSERT_EQ(*back, hundredths) << text;
  }
}

TEST(Percent, RefusesTheRest) {
  for (double percent : {-0.01, 100.01, 12.345, 0.001, 1e300, -1e300, std::numeric_limits<double>::infinity(),
                         std::numeric_limits<double>::quiet_NaN()}) {
    EXPECT_FALSE(to_hundredths(percent)) << percent;
  }
}

TEST(RateTest, ReadsAndPrints) {
  for (const char* text : {"1/s", "600/m", "5000/h"}) EXPECT_EQ(format_rate(*parse_rate(text)), text);
  EXPECT_EQ(parse_rate("600/m")->period, 60s);
  for (const char* text : {"", "100", "/s", "0/s", "-1/s", "1/d", "1/ s", "1.5/s", "4294967296/s"}) {
    EXPECT_FALSE(parse_rate(text)) << text;
  }
}

}  // namespace
}  // namespace banyan::config
