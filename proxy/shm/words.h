// Bytes in shared memory that are read while others may write: copied as whole words, each by one atomic
// access, so that races are defined; whether the copy is good is found out afterwards (Boehm, "Can seqlocks
// get along with programming language memory models?", 2012).
#pragma once

#include <algorithm>
#include <cstring>

#include "shm/layout.h"

namespace banyan::shm {

inline uint64_t relaxed(const Word& word) { return word.load(std::memory_order_relaxed); }

constexpr uint64_t words_for(uint64_t bytes) { return (bytes + 7) / 8; }

// `size` bytes that begin `offset` bytes behind `from`.
inline void copy_out(const Word* from, uint64_t offset, char* to, uint64_t size) {
  const Word* word = from + offset / 8;
  if (const uint64_t skip = offset % 8; skip > 0 && size > 0) {
    const uint64_t value = word++->load(std::memory_order_relaxed);
    const uint64_t count = std::min(size, 8 - skip);
    std::memcpy(to, reinterpret_cast<const char*>(&value) + skip, count);
    to += count;
    size -= count;
  }
  for (; size >= 8; size -= 8, to += 8) {
    const uint64_t value = word++->load(std::memory_order_relaxed);
    std::memcpy(to, &value, 8);
  }
  if (size > 0) {
    const uint64_t value = word->load(std::memory_order_relaxed);
    std::memcpy(to, &value, size);
  }
}

// All of `bytes`, the last word filled up with zeros.
inline void copy_in(Word* to, const char* bytes, uint64_t size) {
  for (; size > 0; ++to) {
    uint64_t value = 0;
    const uint64_t count = std::min<uint64_t>(8, size);
    std::memcpy(&value, bytes, count);
    to->store(value, std::memory_order_relaxed);
    bytes += count;
    size -= count;
  }
}

}  // namespace banyan::shm
