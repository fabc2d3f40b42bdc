#include "base/utc.h"

#include <gtest/gtest.h>

namespace banyan {
namespace {

using namespace std::chrono_literals;  // NOLINT

WallTime at(int year, int month, int day, int hour = 0) {
  std::tm parts{};
  parts.tm_year = year - 1900;
  parts.tm_mon = month - 1;
  parts.tm_mday = day;
  parts.tm_hour = hour;
  return from_utc(parts);
}

TEST(Utc, IsThePointOfTheClock) {
  EXPECT_EQ(at(1970, 1, 1), WallTime());
  EXPECT_EQ(at(2000, 2, 29, 12), WallTime() + 951825600s);
  EXPECT_EQ(at(2038, 1, 20), WallTime() + 2147558400s);
}

TEST(Utc, EndsWhereTheClockEnds) {
  EXPECT_EQ(at(1, 1, 1), WallTime());
  EXPECT_EQ(at(1969, 12, 31), WallTime());
  EXPECT_EQ(at(9999, 12, 31), at(2300, 1, 1));
  EXPECT_GT(at(9999, 12, 31), at(2200, 1, 1));
  EXPECT_GT(at(9999, 12, 31) - at(1, 1, 1), 200 * 365 * 24h);
}

}  // namespace
}  // namespace banyan
