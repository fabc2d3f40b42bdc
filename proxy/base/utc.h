// Calendar time that others wrote, as a point of the clock.
#pragma once

#include <ctime>

#include "base/clock.h"

namespace banyan {

// The point that `parts` name in UTC; their weekday and daylight saving time do not count. Years reach
// further than the clock's nanoseconds: what is before 1970 is its beginning, what is after 2255 its end
// ("Fri, 31 Dec 9999" stands for never), so that the difference of any two can be told.
WallTime from_utc(const std::tm& parts);

}  // namespace banyan
