#include "http/retry_after.h"

#include <algorithm>
#include <ctime>
#include <string>

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

// The program never leaves the C locale, so the names of days and months are the English ones.
std::optional<WallTime> parse_date(const std::string& value) {
  for (const char* format :
       {"%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"}) {
    std::tm parts{};
    const char* end = strptime(value.c_str(), format, &parts);
    if (end && *end == '\0') return std::chrono::system_clock::from_time_t(timegm(&parts));
  }
  return std::nullopt;
}

}  // namespace

std::optional<seconds> parse_retry_after(std::string_view value, WallTime now) {
  if (value.empty()) return std::nullopt;
  if (auto delay = parse_seconds(value)) return delay;
  const std::optional<WallTime> date = parse_date(std::string(value));
  if (!date) return std::nullopt;
  return std::clamp(std::chrono::ceil<seconds>(*date - now), seconds(0), kMost);
}

}  // namespace banyan::http
