// The bytes of a shared cache; for shared_cache*.cc only.
//
//   entry    hash (never 0) │ sizes │ asked │ fresh until │ stale until │ key meta body, up to a whole word
//   segment  entry, entry, … 0
#pragma once

#include <array>

#include "shm/shared_cache.h"
#include "shm/words.h"

namespace banyan::shm {

inline constexpr uint64_t kPurges = 64;

struct SharedCache::Purge {
  Word time;
  Word kind_and_size;
  std::array<Word, kLongestPurge / 8> text;
};

struct SharedCache::Head {
  Word small_hand;
  Word main_hand;
  Word floor;   // what was asked for before is gone
  Word purges;  // so many there were; purge n is in places[n % kPurges]
  std::array<Purge, kPurges> places;
};

struct SharedCache::Slot {
  Word place;
  Word tag_and_uses;  // tag 48 bits │ uses 8 bits
};

inline constexpr size_t kWays = 8;
inline constexpr uint64_t kMostUses = 3;
inline constexpr uint64_t kHeadWords = 5;

// A segment's word: generation │ owner, 0: nobody writes to it.
constexpr uint64_t state_word(uint64_t generation, uint64_t owner) { return generation << 16 | owner; }
constexpr uint64_t generation_of(uint64_t state) { return state >> 16; }
constexpr uint64_t owner_of(uint64_t state) { return state & 0xffff; }
// 24 bits, never 0.
constexpr uint64_t next_generation(uint64_t generation) {
  return (generation + 1) % (1 << 24) == 0 ? 1 : generation + 1;
}

constexpr uint64_t tag_of(uint64_t hash) { return hash >> 16; }

struct EntrySizes {
  uint64_t key = 0, meta = 0, body = 0;
  uint64_t bytes() const { return key + meta + body; }
  uint64_t words() const { return kHeadWords + (bytes() + 7) / 8; }
  uint64_t word() const { return key << 48 | meta << 32 | body; }
  static EntrySizes of(uint64_t word) { return {word >> 48, word >> 32 & 0xffff, word & 0xffffffff}; }
};

inline uint64_t time_word(TimePoint time) {
  return static_cast<uint64_t>(std::chrono::nanoseconds(time.time_since_epoch()).count());
}
inline TimePoint time_of(uint64_t word) {
  return TimePoint(std::chrono::nanoseconds(static_cast<int64_t>(word)));
}

}  // namespace banyan::shm
