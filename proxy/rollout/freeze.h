// Hours in which native's share is not raised.
#pragma once

#include <optional>
#include <span>

#include "base/clock.h"
#include "config/schema.h"

namespace banyan::rollout {

// Whether the moment lies in one of the freezes. By the clock of each one's zone: in the hour that comes
// twice when summer ends both are frozen or neither.
bool is_frozen(std::span<const config::Freeze> freezes, WallTime now);

// The first whole minute, from `now` on, that is in none of them; `now` itself if it is in none. Nothing if
// there is none within eight days, which a configuration that was accepted never gives.
std::optional<WallTime> end_of_freeze(std::span<const config::Freeze> freezes, WallTime now);

}  // namespace banyan::rollout
