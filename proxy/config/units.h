// Durations, sizes, percentages and rates as people write them, and back. The message of an error says what
// is expected; it does not repeat the text.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "config/schema.h"

namespace banyan::config {

// The longest duration that is accepted, ten years; so sums of a few never overflow.
constexpr Millis kLongestDuration = std::chrono::hours(24 * 365 * 10);

// "250ms" "10s" "5m" "2h" "7d", largest first when joined: "1h30m". "0" alone is zero.
Result<Millis> parse_duration(std::string_view text);
std::string format_duration(Millis duration);

// "512" "64k" "10m" "1g": bytes, powers of 1024, also in capitals.
Result<uint64_t> parse_size(std::string_view text);
std::string format_size(uint64_t bytes);

// 0 to 100 with at most two decimals, as hundredths of a percent: 12.5 is 1250.
Result<uint32_t> to_hundredths(double percent);
std::string format_percent(uint32_t hundredths);

// "100/s", "600/m", "5000/h".
Result<Rate> parse_rate(std::string_view text);
std::string format_rate(const Rate& rate);

}  // namespace banyan::config
