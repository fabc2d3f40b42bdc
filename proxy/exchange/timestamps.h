// The time as text, made once a second: for Date fields and log lines.
#pragma once

#include <array>
#include <string_view>

#include "base/clock.h"

namespace banyan::exchange {

class Timestamps {
 public:
  // Sets the time that the texts tell. Cheap when the second is the same.
  void update(WallTime now);

  // "Sat, 21 Nov 2026 01:23:28 GMT" (RFC 9110 section 5.6.7).
  std::string_view http_date() const { return {http_.data(), http_size_}; }
  // "2026-11-21T01:23:28+00:00", as nginx's $time_iso8601.
  std::string_view iso8601() const { return {iso_.data(), iso_size_}; }
  // "21/Nov/2026:01:23:28 +0000", as nginx's $time_local. Times are UTC.
  std::string_view common_log() const { return {common_.data(), common_size_}; }

 private:
  std::time_t second_ = -1;
  std::array<char, 40> http_{};
  std::array<char, 40> iso_{};
  std::array<char, 40> common_{};
  size_t http_size_ = 0, iso_size_ = 0, common_size_ = 0;
};

}  // namespace banyan::exchange
