// Dates in fields (RFC 9110 section 5.6.7).
#pragma once

#include <optional>
#include <string_view>

#include "base/clock.h"

namespace banyan::http {

// In any of the three formats a recipient must accept; years beyond the clock's are its ends (base/utc.h).
// Nothing if it is in none of them.
std::optional<WallTime> parse_date(std::string_view text);

}  // namespace banyan::http
