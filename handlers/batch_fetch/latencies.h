// How long fetches took lately: a histogram with four buckets an octave that forgets, and the quantiles that
// decisions hang on.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "base/clock.h"

namespace banyan::handlers {

class Latencies {
 public:
  void add(Duration taken);
  // The latency that this share of the fetches (0 … 1) did not exceed, up to a fifth too high. Nothing while
  // there are too few to say.
  std::optional<Duration> quantile(double share) const;
  uint32_t count() const { return total_; }
  void clear();

 private:
  // Halved when there are so many: what counts are the last one or two thousand.
  static constexpr uint32_t kMemory = 2048;
  static constexpr uint32_t kLeast = 20;
  static constexpr size_t kBuckets = 160;

  std::array<uint32_t, kBuckets> counts_{};
  uint32_t total_ = 0;
};

}  // namespace banyan::handlers
