#include "rollout/freeze.h"

#include <algorithm>

#include "rollout/time_zone.h"

namespace banyan::rollout {
namespace {

bool has_day(const config::Freeze& freeze, std::chrono::weekday day) {
  const auto wanted = static_cast<config::Weekday>(day.iso_encoding() - 1);
  return freeze.days.empty() ||
         std::find(freeze.days.begin(), freeze.days.end(), wanted) != freeze.days.end();
}

bool holds(const config::Freeze& freeze, WallTime now) {
  const LocalTime local = local_time(now, freeze.tz);
  if (freeze.to > freeze.from) {
    return has_day(freeze, local.day) && local.time >= freeze.from && local.time < freeze.to;
  }
  // Over midnight: the evening of a day, or the morning after one.
  return (has_day(freeze, local.day) && local.time >= freeze.from) ||
         (has_day(freeze, local.day - std::chrono::days(1)) && local.time < freeze.to);
}

}  // namespace

bool is_frozen(std::span<const config::Freeze> freezes, WallTime now) {
  return std::any_of(freezes.begin(), freezes.end(),
                     [&](const config::Freeze& freeze) { return holds(freeze, now); });
}

std::optional<WallTime> end_of_freeze(std::span<const config::Freeze> freezes, WallTime now) {
  if (!is_frozen(freezes, now)) return now;
  // Freezes begin and end on whole minutes, in zones that are whole minutes apart.
  constexpr auto kLongest = std::chrono::days(8);
  const auto first = std::chrono::ceil<std::chrono::minutes>(now);
  for (auto minute = first; minute < first + kLongest; minute += std::chrono::minutes(1)) {
    if (!is_frozen(freezes, minute)) return minute;
  }
  return std::nullopt;
}

}  // namespace banyan::rollout
