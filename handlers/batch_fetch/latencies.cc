#include "handlers/batch_fetch/latencies.h"

#include <algorithm>
#include <bit>

namespace banyan::handlers {
namespace {

// Microseconds: the octave, and the two bits behind its first.
size_t bucket_of(uint64_t micros) {
  micros = std::max<uint64_t>(micros, 4);
  const auto octave = static_cast<size_t>(std::bit_width(micros)) - 3;
  return octave * 4 + (micros >> octave & 3);
}

uint64_t upper_end(size_t bucket) { return (uint64_t{4} + bucket % 4 + 1) << (bucket / 4); }

}  // namespace

void Latencies::add(Duration taken) {
  const auto micros = std::chrono::duration_cast<std::chrono::microseconds>(taken).count();
  ++counts_[std::min(bucket_of(static_cast<uint64_t>(std::max<int64_t>(micros, 0))), kBuckets - 1)];
  if (++total_ < kMemory) return;
  total_ = 0;
  for (uint32_t& count : counts_) total_ += count /= 2;
}

std::optional<Duration> Latencies::quantile(double share) const {
  if (total_ < kLeast) return std::nullopt;
  const double wanted = share * total_;
  uint64_t seen = 0;
  for (size_t i = 0; i < kBuckets; ++i) {
    seen += counts_[i];
    if (static_cast<double>(seen) >= wanted && seen > 0) return std::chrono::microseconds(upper_end(i));
  }
  return std::nullopt;
}

void Latencies::clear() {
  counts_.fill(0);
  total_ = 0;
}

}  // namespace banyan::handlers
