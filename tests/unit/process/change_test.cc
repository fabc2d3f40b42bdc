#include "process/change.h"

#include <gtest/gtest.h>

namespace banyan::process {
namespace {

TEST(ChangeTest, AnEntryComesBackFromItsLine) {
  const WallTime now = WallTime(std::chrono::milliseconds(1'795'000'000'123));
  const KeptEntry entry{.number = 18,
                        .when = now,
                        .how = Change::How::went_back,
                        .who = "a\nb",
                        .why = "\xff",
                        .back_to = 17,
                        .state = KeptEntry::State::unconfirmed,
                        .until = now + std::chrono::minutes(5),
                        .fallback = 16};
  const std::string line = entry_text(entry, true);
  EXPECT_EQ(line.find('\n'), std::string::npos);
  KeptEntry back;
  ASSERT_TRUE(parse_entry(line, back)) << line;
  EXPECT_EQ(entry_text(back, true), line);
  EXPECT_EQ(back.until, entry.until);
  EXPECT_EQ(back.who, "a\nb");
}

TEST(ChangeTest, ALineThatIsNoEntryIsRefused) {
  KeptEntry entry;
  for (const char* line :
       {"", "x", "[]", "{}", R"({"number": 1})", R"({"number": "1"})",
        R"({"number":1,"when":"2026-11-21T01:23:28.123Z","how":"magic","state":"applied"})",
        R"({"number":1,"when":"today","how":"start","state":"applied"})",
        R"({"number":1,"when":"2026-11-21T01:23:28.123Z","how":"start","state":"unconfirmed"})",
        R"({"number":0,"when":"2026-11-21T01:23:28.123Z","how":"start","state":"applied"})"}) {
    EXPECT_FALSE(parse_entry(line, entry)) << line;
  }
}

TEST(ChangeTest, AnOrderComesBackFromItsText) {
  const admin::ChangeOrder order = parse_order(
      order_text({.who = "anna", .why = "so", .confirm_within = std::chrono::minutes(5), .number = 17}));
  EXPECT_EQ(order.who, "anna");
  EXPECT_EQ(order.why, "so");
  EXPECT_EQ(order.confirm_within, std::chrono::minutes(5));
  EXPECT_EQ(order.number, 17u);
  EXPECT_EQ(parse_order("nonsense").who, "");
  EXPECT_EQ(parse_order(R"({"who": 7, "number": "x", "confirm_ms": 1.5})").number, 0u);
}

TEST(ChangeTest, WhatIsOpenComesBackFromItsText) {
  admin::Standing standing;
  EXPECT_FALSE(parse_standing(standing_text(standing)).unconfirmed);
  const TimePoint until(std::chrono::milliseconds(123456789));
  standing.unconfirmed = {.number = 3, .fallback = 2, .until = until, .who = "anna"};
  standing.rolled_back = {.to = 1, .who = "otto", .when = WallTime(std::chrono::seconds(1'795'000'000))};
  const admin::Standing back = parse_standing(standing_text(standing));
  ASSERT_TRUE(back.unconfirmed && back.rolled_back);
  EXPECT_EQ(back.unconfirmed->until, until);
  EXPECT_EQ(back.unconfirmed->fallback, 2u);
  EXPECT_EQ(back.rolled_back->when, standing.rolled_back->when);
  EXPECT_EQ(back.rolled_back->to, 1u);
  EXPECT_FALSE(parse_standing("[1]").rolled_back);
}

}  // namespace
}  // namespace banyan::process
