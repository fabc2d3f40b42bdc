#include "rollout/time_zone.h"

#include <date/tz.h>

#include <exception>

namespace banyan::rollout {
namespace {

// The library throws for unknown names and for data it cannot read.
const date::time_zone* find_zone(std::string_view name) {
  try {
    return date::locate_zone(name);
  } catch (const std::exception&) {
    return nullptr;
  }
}

std::chrono::seconds offset(WallTime time, const std::string& zone) {
  const date::time_zone* found = find_zone(zone);
  if (!found) return std::chrono::seconds(0);
  try {
    return found->get_info(std::chrono::floor<std::chrono::seconds>(time)).offset;
  } catch (const std::exception&) {
    return std::chrono::seconds(0);
  }
}

}  // namespace

bool is_time_zone(std::string_view name) { return find_zone(name) != nullptr; }

LocalTime local_time(WallTime time, const std::string& zone) {
  const WallTime shifted = time + offset(time, zone);
  const auto day = std::chrono::floor<std::chrono::days>(shifted);
  return {std::chrono::weekday(day), std::chrono::floor<std::chrono::minutes>(shifted - day)};
}

}  // namespace banyan::rollout
