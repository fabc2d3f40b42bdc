#include "base/utc.h"

#include <algorithm>

namespace banyan {

WallTime from_utc(const std::tm& parts) {
  constexpr std::time_t kLatest = 9'000'000'000;
  std::tm copy = parts;  // timegm() puts it in order
  return std::chrono::system_clock::from_time_t(std::clamp<std::time_t>(timegm(&copy), 0, kLatest));
}

}  // namespace banyan
