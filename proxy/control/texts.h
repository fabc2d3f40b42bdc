// How percentages and times are written in files and answers.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace banyan::control {

// "37.25", "10", "0.01": hundredths of a percent for people, and a valid JSON number.
std::string percent_text(uint32_t hundredths);
// 37.25 → 3725. False unless it is 0 to 100 with at most two decimals.
bool to_hundredths(double percent, uint32_t& hundredths);

// "2026-11-21T01:23:28.123Z"; parse_time takes this form only.
std::string time_text(WallTime time);
bool parse_time(std::string_view text, WallTime& time);

}  // namespace banyan::control
