#include "rollout/time_zone.h"

#include <gtest/gtest.h>

#include "config/date_time.h"

namespace banyan::rollout {
namespace {

using namespace std::chrono;  // NOLINT

LocalTime at(std::string_view utc, const std::string& zone) {
  return local_time(config::parse_date_time(utc).value(), zone);
}

TEST(TimeZone, KnowsNamesOfTheSystem) {
  for (const char* name : {"UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata"}) {
    EXPECT_TRUE(is_time_zone(name)) << name;
  }
  for (const char* name : {"", "Europe/Berlni", "berlin", "../../etc/passwd", "/etc/localtime"}) {
    EXPECT_FALSE(is_time_zone(name)) << name;
  }
}

TEST(TimeZone, ShowsTheClockThere) {
  EXPECT_EQ(at("2026-03-01T23:30:59Z", "UTC").day, Sunday);
  EXPECT_EQ(at("2026-03-01T23:30:59Z", "UTC").time, 23h + 30min);
  EXPECT_EQ(at("2026-03-01T23:30:59Z", "Europe/Berlin").day, Monday);
  EXPECT_EQ(at("2026-03-01T23:30:59Z", "Europe/Berlin").time, 30min);
  EXPECT_EQ(at("2026-03-01T00:10:00Z", "America/New_York").day, Saturday);
  EXPECT_EQ(at("2026-03-01T00:10:00Z", "America/New_York").time, 19h + 10min);
}

TEST(TimeZone, KeepsDaylightSavingTime) {
  EXPECT_EQ(at("2026-03-29T00:59:00Z", "Europe/Berlin").time, 1h + 59min);
  EXPECT_EQ(at("2026-03-29T01:00:00Z", "Europe/Berlin").time, 3h);
  EXPECT_EQ(at("2026-10-25T00:30:00Z", "Europe/Berlin").time, 2h + 30min);
  EXPECT_EQ(at("2026-10-25T01:30:00Z", "Europe/Berlin").time, 2h + 30min);
}

TEST(TimeZone, IsUtcWhereTheZoneIsGone) {
  EXPECT_EQ(at("2026-03-01T06:00:00Z", "Atlantis/Capital").time, 6h);
}

}  // namespace
}  // namespace banyan::rollout
