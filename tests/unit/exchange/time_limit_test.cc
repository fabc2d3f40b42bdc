#include "exchange/time_limit.h"

#include <gtest/gtest.h>

#include <string>

namespace banyan::exchange {
namespace {

using namespace std::chrono_literals;

const TimePoint kArrived = TimePoint(1h);

TEST(TimeLimit, TheShorterOfRouteAndProxyInFront) {
  struct Case {
    Millis allowed;
    std::optional<Millis> told;
    TimePoint end;
  };
  for (const Case& c :
       {Case{60s, {}, kArrived + 60s}, Case{60s, 2s, kArrived + 2s}, Case{60s, 90s, kArrived + 60s},
        Case{0s, 2s, kArrived + 2s}, Case{0s, {}, TimePoint::max()}}) {
    TimeLimit limit;
    limit.begin(kArrived, c.allowed, c.told);
    EXPECT_EQ(limit.end(), c.end);
    EXPECT_EQ(limit.due(), c.end);
    EXPECT_EQ(limit.none(), c.end == TimePoint::max());
  }
}

TEST(TimeLimit, AHalfForNativeAndTheRestForWhoComesThen) {
  TimeLimit limit;
  limit.begin(kArrived, 60s, {});
  limit.halve();
  EXPECT_EQ(limit.due(), kArrived + 30s);
  EXPECT_EQ(limit.end(), kArrived + 60s);
  EXPECT_EQ(limit.write_left(kArrived + 5s), "25000");
  limit.extend();
  EXPECT_EQ(limit.write_left(kArrived + 31s), "29000");
  TimeLimit none;
  none.begin(kArrived, 0s, {});
  none.halve();
  EXPECT_TRUE(none.none());
  EXPECT_EQ(none.due(), TimePoint::max());
}

TEST(TimeLimit, WhatIsLeftIsWrittenInPlaceAndNeverZero) {
  TimeLimit limit;
  EXPECT_EQ(limit.write_left(kArrived), "");
  limit.begin(kArrived, 1500ms, {});
  const std::string_view first = limit.write_left(kArrived + 300us);
  EXPECT_EQ(first, "1499");
  EXPECT_TRUE(limit.is_ours(first));
  EXPECT_FALSE(limit.is_ours("1499"));
  EXPECT_EQ(limit.write_left(kArrived + 1s).data(), first.data());
  EXPECT_EQ(limit.write_left(kArrived + 2s), "1");
}

TEST(TimeLimit, OnlyPlainNumbersAreBelieved) {
  const auto find = [](std::string_view value) {
    http::Fields fields;
    fields.add("banyan-timeout-ms", value);
    return find_time_left(fields, "Banyan-Timeout-Ms");
  };
  EXPECT_EQ(find("1"), 1ms);
  EXPECT_EQ(find("250"), 250ms);
  EXPECT_EQ(find("1000000000000"), Millis(1'000'000'000'000));
  for (const char* bad : {"", "0", "-5", "+5", "5ms", "1.5", " 5", "1000000000001", "99999999999999999999"}) {
    EXPECT_FALSE(find(bad)) << bad;
  }
  EXPECT_FALSE(find_time_left(http::Fields(), "Banyan-Timeout-Ms"));
}

}  // namespace
}  // namespace banyan::exchange
