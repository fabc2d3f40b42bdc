#include "config/date_time.h"

#include <gtest/gtest.h>

namespace banyan::config {
namespace {

using namespace std::chrono_literals;  // NOLINT

std::string again(std::string_view text) {
  Result<WallTime> time = parse_date_time(text);
  return time ? format_date_time(*time) : time.error().message;
}

TEST(DateTime, GoesBothWays) {
  EXPECT_EQ(*parse_date_time("1970-01-01T00:00:00Z"), WallTime());
  EXPECT_EQ(*parse_date_time("2025-11-13T02:13:20.007Z"), WallTime(1'763'000'000'007ms));
  EXPECT_EQ(again("2026-03-01T06:00:00Z"), "2026-03-01T06:00:00Z");
  EXPECT_EQ(again("2026-03-01 07:00:00.25+01:00"), "2026-03-01T06:00:00.250Z");
  EXPECT_EQ(again("2024-02-29t23:30:59.123456z"), "2024-02-29T23:30:59.123Z");
  EXPECT_EQ(again("2025-12-31T20:00:00-05:30"), "2026-01-01T01:30:00Z");
}

// RFC 3339 sections 5.7 and 5.8.
TEST(DateTime, TakesLeapSecondsWhereTheyAre) {
  EXPECT_EQ(again("2016-12-31T23:59:60Z"), "2017-01-01T00:00:00Z");
  EXPECT_EQ(again("1990-12-31T15:59:60-08:00"), "1991-01-01T00:00:00Z");
  for (const char* text : {"2016-12-31T23:58:60Z", "2016-12-31T23:59:60+01:00", "2016-12-31T23:59:61Z"}) {
    EXPECT_EQ(again(text), "there is no such date and time") << text;
  }
}

TEST(DateTime, SaysWhatIsWrong) {
  const std::string form = "must be a date and time such as 2026-03-01T06:00:00Z";
  for (const char* text : {"", "2026-03-01", "2026-3-1T6:00:00Z", "20260301T060000Z", "2026-03-01T06:00:00ZZ",
                           "2026-03-01T06:00:00.Z", "2026-03-01T06:00:00+1", "2026-03-01T06:00:00+24:00"}) {
    EXPECT_EQ(again(text), form) << text;
  }
  EXPECT_EQ(again("2026-03-01T06:00:00"), "must end with its offset from UTC, such as Z or +01:00");
  for (const char* text : {"2026-02-29T06:00:00Z", "2026-13-01T06:00:00Z", "2026-00-01T06:00:00Z",
                           "2026-03-01T24:00:00Z", "2026-03-01T23:60:00Z", "2026-03-01T23:59:60Z"}) {
    EXPECT_EQ(again(text), "there is no such date and time") << text;
  }
  EXPECT_EQ(again("1969-12-31T23:59:59Z"), "must lie between 1970 and 2200");
}

TEST(TimeOfDay, GoesBothWays) {
  for (int minutes = 0; minutes <= 24 * 60; ++minutes) {
    const std::string text = format_time_of_day(std::chrono::minutes(minutes));
    ASSERT_EQ(*parse_time_of_day(text), std::chrono::minutes(minutes)) << text;
  }
  EXPECT_EQ(format_time_of_day(18h + 5min), "18:05");
  for (const char* text : {"", "8:00", "18", "18:5", "18:60", "24:01", "25:00", "18:00:00", "-1:00"}) {
    EXPECT_FALSE(parse_time_of_day(text)) << text;
  }
}

}  // namespace
}  // namespace banyan::config
