#include "rollout/odds_test.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"

namespace banyan::rollout {
namespace {

double log_choose(double n, double k) {
  return std::lgamma(n + 1) - std::lgamma(k + 1) - std::lgamma(n - k + 1);
}

// The terms hypergeometric(j) × odds^j. They rise to one peak and fall again, so walking from there until
// nothing is added any more takes a few standard deviations, not all j.
class Terms {
 public:
  Terms(const Stratum& stratum, double odds)
      : native_(static_cast<double>(stratum.native)),
        legacy_(static_cast<double>(stratum.legacy)),
        events_(static_cast<double>(stratum.native_events + stratum.legacy_events)),
        odds_(odds),
        first_(std::max(0.0, events_ - legacy_)),
        last_(std::min(native_, events_)) {}

  double log_sum() const {
    const double top = peak();
    double sum = 1;
    double term = 1;
    for (double j = top; j < last_ && term > kNothing * sum; ++j) sum += term *= step(j);
    term = 1;
    for (double j = top; j > first_ && term > kNothing * sum; --j) sum += term /= step(j - 1);
    const double log_hypergeometric = log_choose(native_, top) + log_choose(legacy_, events_ - top) -
                                      log_choose(native_ + legacy_, events_);
    return log_hypergeometric + top * std::log(odds_) + std::log(sum);
  }

 private:
  static constexpr double kNothing = 1e-16;

  // The term of j + 1 over that of j; falls with j.
  double step(double j) const {
    return odds_ * (native_ - j) * (events_ - j) / ((j + 1) * (legacy_ - events_ + j + 1));
  }

  double peak() const {
    double low = first_;
    double high = last_;
    while (low < high) {
      const double middle = std::floor((low + high) / 2);
      if (step(middle) > 1) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low;
  }

  double native_;
  double legacy_;
  double events_;
  double odds_;
  double first_;
  double last_;
};

}  // namespace

double log_normalizer(const Stratum& stratum, double odds) { return Terms(stratum, odds).log_sum(); }

OddsTest::Step OddsTest::step_of(const Stratum& stratum) {
  CHECK(stratum.native_events <= stratum.native && stratum.legacy_events <= stratum.legacy);
  Step step;
  const uint64_t events = stratum.native_events + stratum.legacy_events;
  // Nothing to compare: k is what it must be.
  if (stratum.native == 0 || stratum.legacy == 0) return step;
  if (events == 0 || events == stratum.native + stratum.legacy) return step;
  for (size_t i = 0; i < kOdds; ++i) {
    step.log_ratios[i] = static_cast<double>(stratum.native_events) * std::log(kOddsRatios[i]) -
                         log_normalizer(stratum, kOddsRatios[i]);
  }
  return step;
}

void OddsTest::add(const Step& step) {
  for (size_t i = 0; i < kOdds; ++i) log_ratios_[i] += step.log_ratios[i];
}

double OddsTest::log_evidence() const {
  const double top = *std::max_element(log_ratios_.begin(), log_ratios_.end());
  double sum = 0;
  for (size_t i = 0; i < kOdds; ++i) sum += kWeights[i] * std::exp(log_ratios_[i] - top);
  return top + std::log(sum);
}

}  // namespace banyan::rollout
