#include "config/date_time.h"

#include <fmt/format.h>

#include <optional>

namespace banyan::config {
namespace {

using namespace std::chrono;  // NOLINT: calendar types

// Takes text off its front, piece by piece; once a piece does not fit, good() is false.
class Pieces {
 public:
  explicit Pieces(std::string_view text) : text_(text) {}

  int digits(size_t count) {
    int number = 0;
    for (size_t i = 0; i < count; ++i) {
      if (i >= text_.size() || text_[i] < '0' || text_[i] > '9') return good_ = false, 0;
      number = number * 10 + (text_[i] - '0');
    }
    text_.remove_prefix(count);
    return number;
  }
  char one_of(std::string_view characters) {
    if (text_.empty() || characters.find(text_[0]) == std::string_view::npos) return good_ = false, '\0';
    const char found = text_[0];
    text_.remove_prefix(1);
    return found;
  }
  // The digits after a point, as milliseconds; what is finer does not count.
  milliseconds fraction() {
    if (!text_.starts_with('.')) return milliseconds(0);
    text_.remove_prefix(1);
    int value = 0, scale = 100;
    if (text_.empty() || text_[0] < '0' || text_[0] > '9') good_ = false;
    while (!text_.empty() && text_[0] >= '0' && text_[0] <= '9') {
      value += (text_[0] - '0') * scale;
      scale /= 10;
      text_.remove_prefix(1);
    }
    return milliseconds(value);
  }
  bool good() const { return good_; }
  bool at_end() const { return text_.empty(); }

 private:
  std::string_view text_;
  bool good_ = true;
};

// "Z" or "+01:00".
std::optional<minutes> take_offset(Pieces& pieces) {
  const char sign = pieces.one_of("Zz+-");
  if (sign == 'Z' || sign == 'z') return minutes(0);
  const int hour = pieces.digits(2);
  pieces.one_of(":");
  const int minute = pieces.digits(2);
  if (!pieces.good() || hour > 23 || minute > 59) return std::nullopt;
  return (hours(hour) + minutes(minute)) * (sign == '-' ? -1 : 1);
}

}  // namespace

Result<WallTime> parse_date_time(std::string_view text) {
  const auto wrong = [](std::string_view message) { return proxy_error(std::string(message)); };
  constexpr std::string_view kForm = "must be a date and time such as 2026-03-01T06:00:00Z";
  Pieces pieces(text);
  const int y = pieces.digits(4);
  pieces.one_of("-");
  const int m = pieces.digits(2);
  pieces.one_of("-");
  const int d = pieces.digits(2);
  pieces.one_of("Tt ");
  const int hour = pieces.digits(2);
  pieces.one_of(":");
  const int minute = pieces.digits(2);
  pieces.one_of(":");
  const int second = pieces.digits(2);
  const milliseconds fraction = pieces.fraction();
  if (!pieces.good()) return wrong(kForm);
  if (pieces.at_end()) return wrong("must end with its offset from UTC, such as Z or +01:00");
  const std::optional<minutes> offset = take_offset(pieces);
  if (!offset || !pieces.at_end()) return wrong(kForm);
  const year_month_day date{year(y), month(static_cast<unsigned>(m)), day(static_cast<unsigned>(d))};
  if (!date.ok() || hour > 23 || minute > 59 || second > 60) return wrong("there is no such date and time");
  if (y < 1970 || y > 2200) return wrong("must lie between 1970 and 2200");
  const auto whole = sys_days(date) + hours(hour) + minutes(minute) + seconds(second) - *offset;
  // A leap second is the last of a month in UTC (RFC 3339 section 5.7). The clock does not know it and has
  // the first of the next month.
  const bool month_begins = whole == floor<days>(whole) && year_month_day(floor<days>(whole)).day() == day(1);
  if (second == 60 && !month_begins) return wrong("there is no such date and time");
  return WallTime(whole + fraction);
}

std::string format_date_time(WallTime time) {
  const auto millis = floor<milliseconds>(time);
  const auto days_part = floor<days>(millis);
  const year_month_day date(days_part);
  const hh_mm_ss clock(millis - days_part);
  std::string text = fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", static_cast<int>(date.year()),
                                 static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                                 clock.hours().count(), clock.minutes().count(), clock.seconds().count());
  if (clock.subseconds().count() != 0) text += fmt::format(".{:03}", clock.subseconds().count());
  return text + "Z";
}

Result<minutes> parse_time_of_day(std::string_view text) {
  Pieces pieces(text);
  const int hour = pieces.digits(2);
  pieces.one_of(":");
  const int minute = pieces.digits(2);
  const minutes time = hours(hour) + minutes(minute);
  if (!pieces.good() || !pieces.at_end() || minute > 59 || time > hours(24)) {
    return proxy_error("must be a time of day, \"00:00\" to \"24:00\"");
  }
  return time;
}

std::string format_time_of_day(minutes time) {
  return fmt::format("{:02}:{:02}", time.count() / 60, time.count() % 60);
}

}  // namespace banyan::config
