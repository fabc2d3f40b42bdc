#include "rollout/freeze.h"

#include <gtest/gtest.h>

#include "config/date_time.h"

namespace banyan::rollout {
namespace {

using namespace std::chrono_literals;  // NOLINT
using config::Freeze;
using config::Weekday;

WallTime at(std::string_view text) { return config::parse_date_time(text).value(); }

std::string thaw(const std::vector<Freeze>& freezes, std::string_view text) {
  const std::optional<WallTime> end = end_of_freeze(freezes, at(text));
  return end ? config::format_date_time(*end) : "never";
}

// 2026-11-20 is a Friday.
TEST(Freeze, OverMidnightBelongsToTheDayItBegan) {
  const std::vector<Freeze> freezes = {{{Weekday::fri, Weekday::sat}, 18h, 8h, "UTC"}};
  EXPECT_FALSE(is_frozen(freezes, at("2026-11-20T07:00:00Z"))) << "Thursday night is free";
  EXPECT_FALSE(is_frozen(freezes, at("2026-11-20T17:59:59Z")));
  EXPECT_TRUE(is_frozen(freezes, at("2026-11-20T18:00:00Z")));
  EXPECT_TRUE(is_frozen(freezes, at("2026-11-21T07:59:59Z")));
  EXPECT_FALSE(is_frozen(freezes, at("2026-11-21T08:00:00Z")));
  EXPECT_TRUE(is_frozen(freezes, at("2026-11-21T18:00:00Z")));
  EXPECT_TRUE(is_frozen(freezes, at("2026-11-22T07:59:59Z")));
  EXPECT_FALSE(is_frozen(freezes, at("2026-11-22T18:00:00Z")));
  EXPECT_EQ(thaw(freezes, "2026-11-20T18:00:30.5Z"), "2026-11-21T08:00:00Z");
  EXPECT_EQ(thaw(freezes, "2026-11-20T12:00:30Z"), "2026-11-20T12:00:30Z");
}

TEST(Freeze, WindowsThatTouchAreOne) {
  const std::vector<Freeze> freezes = {
      {{Weekday::fri}, 18h, 24h, "UTC"}, {{Weekday::sat, Weekday::sun}}, {{Weekday::mon}, 0h, 8h, "UTC"}};
  EXPECT_EQ(thaw(freezes, "2026-11-20T18:00:00Z"), "2026-11-23T08:00:00Z");
  EXPECT_EQ(thaw({Freeze{}}, "2026-11-20T18:00:00Z"), "never");
  EXPECT_FALSE(is_frozen({}, at("2026-11-20T18:00:00Z")));
}

// Summer time begins on 2026-03-29 at 01:00 UTC and ends on 2026-10-25.
TEST(Freeze, GoesByTheClockOfItsZone) {
  const std::vector<Freeze> freezes = {{{}, 9h, 17h, "Europe/Berlin"}};
  EXPECT_FALSE(is_frozen(freezes, at("2026-03-28T07:59:00Z")));
  EXPECT_TRUE(is_frozen(freezes, at("2026-03-28T08:00:00Z")));
  EXPECT_TRUE(is_frozen(freezes, at("2026-03-29T07:00:00Z")));
  EXPECT_EQ(thaw(freezes, "2026-03-28T08:00:00Z"), "2026-03-28T16:00:00Z");
  EXPECT_EQ(thaw(freezes, "2026-03-29T07:00:00Z"), "2026-03-29T15:00:00Z");
  const std::vector<Freeze> night = {{{Weekday::sat}, 22h, 6h, "Europe/Berlin"}};
  EXPECT_EQ(thaw(night, "2026-03-28T21:00:00Z"), "2026-03-29T04:00:00Z") << "seven hours";
  EXPECT_EQ(thaw(night, "2026-10-24T20:00:00Z"), "2026-10-25T05:00:00Z") << "nine hours";
}

}  // namespace
}  // namespace banyan::rollout
