#include "config/units.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <limits>

namespace banyan::config {
namespace {

struct DurationUnit {
  std::string_view suffix;
  int64_t millis;
};

constexpr DurationUnit kDurationUnits[] = {
    {"d", 86'400'000}, {"h", 3'600'000}, {"m", 60'000}, {"s", 1000}, {"ms", 1}};

struct SizeUnit {
  char suffix;
  int shift;
};

constexpr SizeUnit kSizeUnits[] = {{'g', 30}, {'m', 20}, {'k', 10}};

constexpr std::string_view kDurationForm =
    "must be a duration such as \"250ms\", \"10s\", \"5m\", \"2h\" or \"7d\"";
constexpr std::string_view kSizeForm = "must be a size such as 4096, \"64k\", \"10m\" or \"1g\"";

Error wrong(std::string_view message) { return proxy_error(std::string(message)); }

// Takes the digits at the front of `text`. False if there are none or the number is too large.
bool take_number(std::string_view& text, uint64_t& number) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end == text.data()) return false;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  return true;
}

std::string_view take_letters(std::string_view& text) {
  size_t size = 0;
  while (size < text.size() && text[size] >= 'a' && text[size] <= 'z') ++size;
  std::string_view letters = text.substr(0, size);
  text.remove_prefix(size);
  return letters;
}

}  // namespace

Result<Millis> parse_duration(std::string_view text) {
  if (text == "0") return Millis(0);
  if (text.empty()) return wrong(kDurationForm);
  constexpr auto kMost = static_cast<uint64_t>(kLongestDuration.count());
  uint64_t total = 0;
  int64_t smallest = std::numeric_limits<int64_t>::max();
  while (!text.empty()) {
    if (text[0] < '0' || text[0] > '9') return wrong(kDurationForm);
    uint64_t number = 0;
    if (!take_number(text, number)) return wrong("must be at most 3650d");
    const std::string_view letters = take_letters(text);
    int64_t unit = 0;
    for (const DurationUnit& known : kDurationUnits) {
      if (known.suffix == letters) unit = known.millis;
    }
    if (unit == 0 || unit >= smallest) return wrong(kDurationForm);
    smallest = unit;
    if (number > kMost / static_cast<uint64_t>(unit)) return wrong("must be at most 3650d");
    total += number * static_cast<uint64_t>(unit);
    if (total > kMost) return wrong("must be at most 3650d");
  }
  return Millis(static_cast<int64_t>(total));
}

std::string format_duration(Millis duration) {
  const int64_t millis = duration.count();
  if (millis == 0) return "0s";
  for (const DurationUnit& unit : kDurationUnits) {
    if (millis % unit.millis == 0) return fmt::format("{}{}", millis / unit.millis, unit.suffix);
  }
  return fmt::format("{}ms", millis);
}

Result<uint64_t> parse_size(std::string_view text) {
  uint64_t number = 0;
  if (text.empty() || text[0] < '0' || text[0] > '9') return wrong(kSizeForm);
  constexpr auto kMost = static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
  if (!take_number(text, number) || number > kMost) return wrong("is too large");
  if (text.empty()) return number;
  if (text.size() > 1) return wrong(kSizeForm);
  for (const SizeUnit& unit : kSizeUnits) {
    if (text[0] != unit.suffix && text[0] != unit.suffix - 'a' + 'A') continue;
    if (number > (kMost >> unit.shift)) return wrong("is too large");
    return number << unit.shift;
  }
  return wrong(kSizeForm);
}

std::string format_size(uint64_t bytes) {
  for (const SizeUnit& unit : kSizeUnits) {
    if (bytes != 0 && bytes % (uint64_t{1} << unit.shift) == 0) {
      return fmt::format("{}{}", bytes >> unit.shift, unit.suffix);
    }
  }
  return std::to_string(bytes);
}

Result<uint32_t> to_hundredths(double percent) {
  if (!(percent >= 0 && percent <= 100)) return wrong("must be 0 to 100");
  const double scaled = percent * 100;
  const double rounded = std::round(scaled);
  if (std::abs(scaled - rounded) > 1e-6) return wrong("must have at most two decimals");
  return static_cast<uint32_t>(rounded);
}

std::string format_percent(uint32_t hundredths) {
  if (hundredths % 100 == 0) return std::to_string(hundredths / 100);
  if (hundredths % 10 == 0) return fmt::format("{}.{}", hundredths / 100, hundredths / 10 % 10);
  return fmt::format("{}.{:02}", hundredths / 100, hundredths % 100);
}

Result<Rate> parse_rate(std::string_view text) {
  constexpr std::string_view kForm = "must be a rate such as \"100/s\", \"600/m\" or \"5000/h\"";
  uint64_t count = 0;
  if (text.empty() || text[0] < '0' || text[0] > '9') return wrong(kForm);
  if (!take_number(text, count)) return wrong("is too large");
  Rate rate;
  if (text == "/s") {
    rate.period = 1s;
  } else if (text == "/m") {
    rate.period = 1min;
  } else if (text == "/h") {
    rate.period = 1h;
  } else {
    return wrong(kForm);
  }
  if (count == 0) return wrong("must be at least 1; leave it out for no limit");
  if (count > 1'000'000'000) return wrong("is too large");
  rate.count = static_cast<uint32_t>(count);
  return rate;
}

std::string format_rate(const Rate& rate) {
  return fmt::format("{}/{}", rate.count, rate.period == 1s ? 's' : rate.period == 1min ? 'm' : 'h');
}

}  // namespace banyan::config
