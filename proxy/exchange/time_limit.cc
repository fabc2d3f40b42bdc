#include "exchange/time_limit.h"

#include <algorithm>
#include <charconv>

namespace banyan::exchange {
namespace {

constexpr int64_t kMostMillis = 1'000'000'000'000;

}  // namespace

void TimeLimit::begin(TimePoint arrived, Millis allowed, std::optional<Millis> told) {
  arrived_ = arrived;
  if (allowed.count() > 0) end_ = arrived + allowed;
  if (told) end_ = std::min(end_, arrived + *told);
  due_ = end_;
}

void TimeLimit::halve() {
  if (!none()) due_ = arrived_ + (end_ - arrived_) / 2;
}

std::string_view TimeLimit::write_left(TimePoint now) {
  if (none()) return {};
  const int64_t left = std::max<int64_t>(std::chrono::floor<Millis>(due_ - now).count(), 1);
  char* end = std::to_chars(text_.begin(), text_.end(), left).ptr;
  return {text_.data(), static_cast<size_t>(end - text_.data())};
}

std::optional<Millis> find_time_left(const http::Fields& fields, std::string_view name) {
  const http::Field* field = fields.find(name);
  if (!field) return std::nullopt;
  int64_t value = 0;
  const char* end = field->value.data() + field->value.size();
  const auto [stop, fault] = std::from_chars(field->value.data(), end, value);
  if (fault != std::errc() || stop != end || value < 1 || value > kMostMillis) return std::nullopt;
  return Millis(value);
}

}  // namespace banyan::exchange
