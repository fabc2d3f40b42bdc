// From a client's key to its bucket. This is the promise that a client keeps its side: it must stay as it is
// for ever.
//
//   seed   = XXH64(salt, 0)
//   bucket = XXH64(key, seed) mod 10000          0 to 9999
//   native   if bucket < percent × 100
//
// So raising the percentage moves nobody back, 0 is nobody and 100 is everybody.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/stable_hash.h"

namespace banyan::rollout {

inline constexpr uint32_t kBuckets = 10000;

// Computed once for a rollout.
inline uint64_t seed_of(std::string_view salt) { return stable_hash(salt); }

inline uint32_t bucket_of(uint64_t seed, std::string_view key) {
  return static_cast<uint32_t>(stable_hash(key, seed) % kBuckets);
}
inline uint32_t bucket_of(std::string_view salt, std::string_view key) {
  return bucket_of(seed_of(salt), key);
}

}  // namespace banyan::rollout
