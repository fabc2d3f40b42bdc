// Clocks of other places. Nothing but time_zone.cc knows the library that reads the system's time zone data.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace banyan::rollout {

// What a clock on the wall shows there.
struct LocalTime {
  std::chrono::weekday day;
  std::chrono::minutes time;  // since midnight, by the clock: 02:30 twice on the day when summer ends
};

// Whether the system knows the zone, by its IANA name ("Europe/Berlin", "UTC").
bool is_time_zone(std::string_view name);

// UTC if the system does not know the zone (any more).
LocalTime local_time(WallTime time, const std::string& zone);

}  // namespace banyan::rollout
