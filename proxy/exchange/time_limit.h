// How long a request may take with all its attempts, and how the target learns what is left of it.
//
//   arrived ───────────────┬───────────────────────────▶ end    504
//            native's half │ legacy's, if native has not begun to answer and legacy may stand in for it
//                         due
#pragma once

#include <array>
#include <optional>
#include <string_view>

#include "base/clock.h"
#include "http/fields.h"

namespace banyan::exchange {

class TimeLimit {
 public:
  // `allowed` by the route, zero for no limit; `told` by a trusted proxy in front, which will not wait
  // longer.
  void begin(TimePoint arrived, Millis allowed, std::optional<Millis> told);
  bool none() const { return end_ == TimePoint::max(); }
  // TimePoint::max(): never.
  TimePoint end() const { return end_; }
  // When the attempt under way must have begun its answer; the end, unless halve() says otherwise.
  TimePoint due() const { return due_; }
  // Leaves the second half for another attempt; and gives the rest to the attempt under way.
  void halve();
  void extend() { due_ = end_; }

  // Milliseconds until due(), at least 1, as text, which the next call changes where it stands. Empty without
  // a limit.
  std::string_view write_left(TimePoint now);
  // Whether a field's value is that text.
  bool is_ours(std::string_view value) const { return value.data() == text_.data(); }

 private:
  TimePoint arrived_{};
  TimePoint end_ = TimePoint::max();
  TimePoint due_ = TimePoint::max();
  std::array<char, 20> text_;
};

// What the field of that name says, 1 ms to 10^12; nothing if it is not there or says something else.
std::optional<Millis> find_time_left(const http::Fields& fields, std::string_view name);

}  // namespace banyan::exchange
