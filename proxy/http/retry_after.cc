#include "http/retry_after.h"

#include <algorithm>

#include "http/date.h"

namespace banyan::http {
namespace {

using std::chrono::seconds;

constexpr seconds kMost{1'000'000'000};

std::optional<seconds> parse_seconds(std::string_view value) {
  seconds result{0};
  for (const char c : value) {
    if (c < '0' || c > '9') return std::nullopt;
    result = std::min(result * 10 + seconds(c - '0'), kMost);
  }
  return result;
}

}  // namespace

std::optional<seconds> parse_retry_after(std::string_view value, WallTime now) {
  if (value.empty()) return std::nullopt;
  if (auto delay = parse_seconds(value)) return delay;
  const std::optional<WallTime> date = parse_date(value);
  if (!date) return std::nullopt;
  return std::clamp(std::chrono::ceil<seconds>(*date - now), seconds(0), kMost);
}

}  // namespace banyan::http
