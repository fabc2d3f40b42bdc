#include "exchange/timestamps.h"

#include <fmt/format.h>

#include <ctime>

namespace banyan::exchange {
namespace {

constexpr std::array<std::string_view, 7> kDays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

}  // namespace

// Names come from tables and not from strftime, which would follow the locale.
void Timestamps::update(WallTime now) {
  std::time_t second = std::chrono::system_clock::to_time_t(now);
  if (second == second_) return;
  second_ = second;
  std::tm utc{};
  gmtime_r(&second, &utc);
  int year = utc.tm_year + 1900;
  std::string_view month = kMonths[static_cast<size_t>(utc.tm_mon)];
  http_size_ = fmt::format_to_n(http_.data(), http_.size(), "{}, {:02} {} {} {:02}:{:02}:{:02} GMT",
                                kDays[static_cast<size_t>(utc.tm_wday)], utc.tm_mday, month, year,
                                utc.tm_hour, utc.tm_min, utc.tm_sec)
                   .size;
  iso_size_ = fmt::format_to_n(iso_.data(), iso_.size(), "{}-{:02}-{:02}T{:02}:{:02}:{:02}+00:00", year,
                               utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec)
                  .size;
  common_size_ = fmt::format_to_n(common_.data(), common_.size(), "{:02}/{}/{}:{:02}:{:02}:{:02} +0000",
                                  utc.tm_mday, month, year, utc.tm_hour, utc.tm_min, utc.tm_sec)
                     .size;
}

}  // namespace banyan::exchange
