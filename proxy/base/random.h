// Random numbers for balancing, identifiers and jitter. Not for secrets.
#pragma once

#include <sys/random.h>

#include <cstdint>

namespace banyan {

// SplitMix64 (Steele, Lea, Flood 2014), seeded by the kernel.
class Random {
 public:
  Random() {
    if (getrandom(&state_, sizeof state_, 0) != sizeof state_) state_ ^= reinterpret_cast<uintptr_t>(this);
  }
  explicit Random(uint64_t seed) : state_(seed) {}

  uint64_t next() {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  // 0 to bound - 1. REQUIRES: bound > 0.
  uint64_t below(uint64_t bound) { return next() % bound; }

 private:
  uint64_t state_ = 0;
};

}  // namespace banyan
