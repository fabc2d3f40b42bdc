// Points in time and times of day as people write them, and back.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"

namespace banyan::config {

// RFC 3339 section 5.6, as TOML writes it: "2026-03-01T06:00:00Z", "2026-03-01 07:00:00.5+01:00". The offset
// is needed: a rollout must not start at another time because a machine's zone was changed. Years 1970 to
// 2200. The error's message says what is wrong, without repeating the text.
Result<WallTime> parse_date_time(std::string_view text);
// In UTC, with milliseconds where there are some: "2026-03-01T06:00:00Z".
std::string format_date_time(WallTime time);

// "00:00" to "24:00", as minutes since midnight.
Result<std::chrono::minutes> parse_time_of_day(std::string_view text);
std::string format_time_of_day(std::chrono::minutes time);

}  // namespace banyan::config
