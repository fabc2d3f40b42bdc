#include "control/texts.h"

#include <fmt/format.h>

#include <cmath>
#include <cstdio>
#include <ctime>

#include "base/utc.h"

namespace banyan::control {

std::string percent_text(uint32_t hundredths) {
  const uint32_t whole = hundredths / 100;
  const uint32_t rest = hundredths % 100;
  if (rest == 0) return fmt::format("{}", whole);
  if (rest % 10 == 0) return fmt::format("{}.{}", whole, rest / 10);
  return fmt::format("{}.{:02}", whole, rest);
}

bool to_hundredths(double percent, uint32_t& hundredths) {
  if (!(percent >= 0 && percent <= 100)) return false;
  const double scaled = percent * 100;
  const double rounded = std::round(scaled);
  if (std::abs(scaled - rounded) > 1e-6) return false;
  hundredths = static_cast<uint32_t>(rounded);
  return true;
}

std::string time_text(WallTime time) {
  const auto millis = std::chrono::duration_cast<Millis>(time.time_since_epoch()).count();
  const time_t seconds = static_cast<time_t>(millis / 1000);
  tm parts{};
  gmtime_r(&seconds, &parts);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", parts.tm_year + 1900, parts.tm_mon + 1,
                     parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec, millis % 1000);
}

bool parse_time(std::string_view text, WallTime& time) {
  const std::string copy(text);
  tm parts{};
  int millis = 0;
  int used = 0;
  const int found = std::sscanf(copy.c_str(), "%4d-%2d-%2dT%2d:%2d:%2d.%3dZ%n", &parts.tm_year, &parts.tm_mon,
                                &parts.tm_mday, &parts.tm_hour, &parts.tm_min, &parts.tm_sec, &millis, &used);
  if (found != 7 || used != static_cast<int>(copy.size()) || copy.size() != 24) return false;
  parts.tm_year -= 1900;
  parts.tm_mon -= 1;
  time = from_utc(parts) + Millis(millis);
  // A thirteenth month or the like comes back as another date.
  return time_text(time) == text;
}

}  // namespace banyan::control
