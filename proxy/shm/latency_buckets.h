// The buckets of the latency histograms that gates judge by: eight to each doubling, from 65 µs to 550 s.
//
//   0          below 2^16 ns (65.5 µs)
//   1 … 184    2^16 ns × 2^(i/8) for i = 0 … 183, rounded to 128ths of the power of two below
//   185        2^39 ns (549.8 s) and above
//
// A bucket's upper bound is at most 1.0938 times its lower one. Its middle, 2lu / (l + u), is therefore never
// further than kLatencyError from any duration that is in it; a quantile read from the histogram has the same
// bound. Buckets of a constant ratio are those of DDSketch (Masson, Rim, Lee: "DDSketch: a fast and
// fully-mergeable quantile sketch with relative-error guarantees", VLDB 2019); finding them by the bits of
// the number is HdrHistogram's idea.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "base/clock.h"

namespace banyan::shm {

inline constexpr int kShortestBits = 16;
inline constexpr int kLongestBits = 39;
inline constexpr size_t kBucketsPerDoubling = 8;
inline constexpr size_t kLatencyBuckets =
    static_cast<size_t>(kLongestBits - kShortestBits) * kBucketsPerDoubling + 2;
// Most that a bucket's middle may differ from what is in it, for durations from 65.5 µs to 549 s.
inline constexpr double kLatencyError = 0.045;

// Where the buckets of one doubling begin, in 128ths of its lower end: 128 × 2^(i/8), rounded.
inline constexpr std::array<uint32_t, kBucketsPerDoubling + 1> kDoublingSteps = {128, 140, 152, 166, 181,
                                                                                 197, 215, 235, 256};

namespace internal {
// For each 128th of a doubling the bucket it is in.
constexpr std::array<uint8_t, 128> make_step_table() {
  std::array<uint8_t, 128> table{};
  for (size_t step = 0; step < kBucketsPerDoubling; ++step) {
    for (uint32_t i = kDoublingSteps[step]; i < kDoublingSteps[step + 1]; ++i) {
      table[i - 128] = static_cast<uint8_t>(step);
    }
  }
  return table;
}
inline constexpr std::array<uint8_t, 128> kStepTable = make_step_table();
}  // namespace internal

// The bucket of a duration; below zero is zero. About a nanosecond.
constexpr size_t latency_bucket(Duration duration) {
  const auto nanos = static_cast<uint64_t>(std::max<int64_t>(std::chrono::nanoseconds(duration).count(), 0));
  const int bits = std::bit_width(nanos) - 1;  // 2^bits <= nanos
  if (bits < kShortestBits) return 0;
  if (bits >= kLongestBits) return kLatencyBuckets - 1;
  return 1 + static_cast<size_t>(bits - kShortestBits) * kBucketsPerDoubling +
         internal::kStepTable[(nanos >> (bits - 7)) & 127];
}

// Where a bucket begins, in seconds; the next one begins where it ends. REQUIRES: bucket < kLatencyBuckets.
constexpr double latency_bound(size_t bucket) {
  if (bucket == 0) return 0;
  const size_t doubling = (bucket - 1) / kBucketsPerDoubling;
  const uint64_t power = uint64_t{1} << (static_cast<size_t>(kShortestBits) + doubling);
  return static_cast<double>(power) * kDoublingSteps[(bucket - 1) % kBucketsPerDoubling] / 128 * 1e-9;
}

// What stands for all durations of a bucket, in seconds. The first and the last one, which have no ratio, are
// their inner bounds: nobody learns more than "at most 65 µs", "550 s or more".
constexpr double latency_middle(size_t bucket) {
  if (bucket == 0) return latency_bound(1);
  if (bucket == kLatencyBuckets - 1) return latency_bound(bucket);
  const double lower = latency_bound(bucket);
  const double upper = latency_bound(bucket + 1);
  return 2 * lower * upper / (lower + upper);
}

}  // namespace banyan::shm
