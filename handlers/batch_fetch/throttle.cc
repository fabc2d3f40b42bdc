#include "handlers/batch_fetch/throttle.h"

#include <algorithm>
#include <cmath>

namespace banyan::handlers {
namespace {

constexpr Millis kWindow{100};
constexpr uint32_t kLeastOfWindow = 40;
constexpr double kTolerance = 2;  // so much slower than usual is still well
constexpr double kSmoothing = 0.3;
constexpr double kLearning = 0.05;
constexpr double kRecovery = 1.5;
constexpr Millis kEpisode{300};  // complaints that belong together

}  // namespace

Throttle::Throttle(size_t most)
    : most_(static_cast<double>(most)), least_(std::min(most_, std::max(4.0, most_ / 8))), limit_(most_) {}

void Throttle::note_answer(Duration taken, size_t under_way, TimePoint now) {
  window_.add(taken);
  most_under_way_ = std::max(most_under_way_, under_way);
  if (window_.count() >= kLeastOfWindow && now - window_began_ >= kWindow) end_window(now);
}

void Throttle::end_window(TimePoint now) {
  using Micros = std::chrono::duration<double, std::micro>;
  const double median = std::max(1.0, Micros(window_.quantile(0.5).value_or(Duration(0))).count());
  if (usual_ == 0) usual_ = median;
  const double gradient = std::clamp(kTolerance * usual_ / median, 0.5, 1.0);
  const bool used = static_cast<double>(most_under_way_) >= limit_ * 0.8;
  if (used && gradient == 1 && limit_ < before_cut_) {
    limit_ = std::min(before_cut_, limit_ * kRecovery);
  } else {
    const double wanted = limit_ * gradient + (used ? std::sqrt(limit_) : 0);
    limit_ = std::clamp(limit_ + kSmoothing * (wanted - limit_), least_, most_);
  }
  usual_ += (median < usual_ ? 4 * kLearning : kLearning) * (median - usual_);
  window_.clear();
  window_began_ = now;
  most_under_way_ = 0;
}

void Throttle::note_overload(TimePoint now) {
  if (now - cut_at_ < kWindow) return;
  // Complaints that come before it was as high again mean that it was too high.
  if (now - cut_at_ > kEpisode) before_cut_ = limit_ < before_cut_ ? (limit_ + before_cut_) / 2 : limit_;
  cut_at_ = now;
  limit_ = std::max(least_, limit_ * 2 / 3);
}

}  // namespace banyan::handlers
