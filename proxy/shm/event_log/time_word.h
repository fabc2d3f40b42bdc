// Times of the monotonic clock as words of shared memory: nanoseconds.
#pragma once

#include <cstdint>

#include "base/clock.h"

namespace banyan::shm {

inline uint64_t to_nanoseconds(TimePoint time) {
  return static_cast<uint64_t>(std::chrono::nanoseconds(time.time_since_epoch()).count());
}
inline TimePoint to_time_point(uint64_t nanoseconds) {
  return TimePoint(std::chrono::nanoseconds(static_cast<int64_t>(nanoseconds)));
}

}  // namespace banyan::shm
