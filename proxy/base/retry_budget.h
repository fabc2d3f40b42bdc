// Keeps second attempts from multiplying the load on whoever has to answer them: they may be a share of the
// requests, and a few more so that the quiet have any (Envoy retry_budget, Finagle).
#pragma once

#include <cstdint>

namespace banyan {

class RetryBudget {
 public:
  // `share` in hundredths of a percent: 2000 is one more attempt for five requests.
  explicit RetryBudget(uint32_t share) : share_(share), tokens_(share == 0 ? 0 : kReserve) {}

  void on_request();
  // True if one more attempt is covered, and takes it.
  bool take();

 private:
  static constexpr int64_t kOne = 10'000;
  static constexpr int64_t kReserve = 10 * kOne;
  static constexpr int64_t kMost = 100 * kOne;

  int64_t share_;
  int64_t tokens_;
};

}  // namespace banyan
