#include "shm/rate_limiter.h"

#include <algorithm>

#include "base/check.h"

namespace banyan::shm {
namespace {

// Time is counted in quarters of a microsecond, modulo 2^44 (50 days): what lies less than half of that ahead
// is the future, all else the past.
constexpr int kTimeBits = 44;
constexpr uint64_t kTimeMask = (uint64_t{1} << kTimeBits) - 1;
constexpr uint64_t kHalf = uint64_t{1} << (kTimeBits - 1);
constexpr uint64_t kMostDebt = uint64_t{20} * 24 * 3600 * 4'000'000;  // 20 days

// Loops read the clock once a turn, so another worker's "now" may be a long turn behind.
constexpr uint64_t kClockSlack = uint64_t{60} * 4'000'000;

using Ticks = std::chrono::duration<int64_t, std::ratio<1, 4'000'000>>;

uint64_t ticks(TimePoint now) {
  return static_cast<uint64_t>(std::chrono::duration_cast<Ticks>(now.time_since_epoch()).count()) & kTimeMask;
}

// How far a word's arrival time lies ahead of now; 0 when it is past. A debt that no request can have made is
// the past too: half of all times look like the future after the clock went round.
uint64_t debt_of(uint64_t word, uint64_t now, uint64_t most) {
  const uint64_t ahead = ((word & kTimeMask) - now) & kTimeMask;
  return ahead < kHalf && ahead <= most ? ahead : 0;
}

struct Set {
  std::array<Word, 8>& words;
  uint64_t tag;  // in place: the upper 20 bits, never 0
};

Set find_set(std::array<RateSet, kRateSets>& sets, uint64_t hash) {
  uint64_t tag = hash & ~kTimeMask;
  if (tag == 0) tag = uint64_t{1} << kTimeBits;
  return {sets[hash % kRateSets].words, tag};
}

// The word of this client; else an empty one; else that of the client who owes least.
Word& find_word(const Set& set, uint64_t now) {
  Word* best = &set.words[0];
  uint64_t least = ~uint64_t{0};
  for (Word& candidate : set.words) {
    const uint64_t word = candidate.load(std::memory_order_relaxed);
    if ((word & ~kTimeMask) == set.tag) return candidate;
    const uint64_t debt = word == 0 ? 0 : debt_of(word, now, kMostDebt) + 1;
    if (debt < least) {
      least = debt;
      best = &candidate;
    }
  }
  return *best;
}

}  // namespace

RateLimiter::Verdict RateLimiter::allow(uint64_t hash, const Rate& rate, TimePoint now) {
  CHECK(rate.count > 0);
  const uint64_t period = static_cast<uint64_t>(std::chrono::duration_cast<Ticks>(rate.period).count());
  const uint64_t interval = period / rate.count;
  if (interval == 0) return {};
  const uint64_t tolerance = interval * std::min<uint64_t>(rate.burst, kMostDebt / interval);
  const Set set = find_set(sets_, hash);
  const uint64_t at = ticks(now);
  for (;;) {
    Word& place = find_word(set, at);
    uint64_t word = place.load(std::memory_order_relaxed);
    const bool known = (word & ~kTimeMask) == set.tag;
    const uint64_t debt = known ? debt_of(word, at, tolerance + interval + kClockSlack) : 0;
    if (debt > tolerance) return {false, std::chrono::duration_cast<Duration>(Ticks(debt - tolerance))};
    const uint64_t next = set.tag | ((at + debt + interval) & kTimeMask);
    if (place.compare_exchange_strong(word, next, std::memory_order_relaxed)) return {};
  }
}

}  // namespace banyan::shm
