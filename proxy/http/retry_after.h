// Retry-After (RFC 9110 section 10.2.3).
#pragma once

#include <chrono>
#include <optional>
#include <string_view>

#include "base/clock.h"

namespace banyan::http {

// How long, from `now` on, the value asks to wait: a number of seconds, or a date in one of the three formats
// of section 5.6.7. Never negative and at most 10^9 seconds. Nothing: the value is neither.
std::optional<std::chrono::seconds> parse_retry_after(std::string_view value, WallTime now);

}  // namespace banyan::http
