// The words of a BreakerArea, all changed by compare-and-swap:
//
//   state    phase (2 bits) │ openings in a row (10) │ since when, shared milliseconds (52)
//   trial    lower half of since (32) │ let through (16) │ succeeded (16)
//   slice    number of the slice (24) │ requests (20) │ failures (20)
//
// Zero is closed since ever. A trial word of another "since" than the state's is of an older round and counts
// as zero; so does a slice that is not of this time.
#include "shm/breaker.h"

#include <algorithm>

namespace banyan::shm {
namespace {

constexpr int kPhaseShift = 62;
constexpr int kOpeningsShift = 52;
constexpr uint64_t kOpeningsMask = (1 << 10) - 1;
constexpr uint64_t kSinceMask = (uint64_t{1} << kOpeningsShift) - 1;
constexpr uint64_t kCountMask = (1 << 20) - 1;
constexpr uint64_t kTrialMask = (1 << 16) - 1;
constexpr auto kRelaxed = std::memory_order_relaxed;

uint64_t millis(TimePoint time) {
  return static_cast<uint64_t>(std::chrono::duration_cast<Millis>(time.time_since_epoch()).count()) &
         kSinceMask;
}

struct Trial {
  uint64_t admitted = 0;
  uint64_t good = 0;
};
Trial read_trial(uint64_t word, uint64_t since) {
  if (word >> 32 != (since & 0xffffffff)) return {};
  return {word >> 16 & kTrialMask, word & kTrialMask};
}
uint64_t trial_word(uint64_t since, Trial trial) { return since << 32 | trial.admitted << 16 | trial.good; }

struct Slice {
  uint64_t requests = 0;
  uint64_t failures = 0;
};
Slice read_slice(uint64_t word, uint64_t tick) {
  if (word >> 40 != (tick & 0xffffff)) return {};
  return {word >> 20 & kCountMask, word & kCountMask};
}

void add_to_slice(Word& place, uint64_t tick, bool good) {
  uint64_t word = place.load(kRelaxed);
  for (;;) {
    Slice slice = read_slice(word, tick);
    if (slice.requests == kCountMask) return;  // a million in an eighth of the window: enough to go by
    ++slice.requests;
    if (!good) ++slice.failures;
    const uint64_t next = (tick & 0xffffff) << 40 | slice.requests << 20 | slice.failures;
    if (place.compare_exchange_weak(word, next, kRelaxed)) return;
  }
}

}  // namespace

// The state word at one moment.
struct Breaker::View {
  explicit View(uint64_t word) : word(word) {}
  BreakerState phase() const { return static_cast<BreakerState>(word >> kPhaseShift); }
  uint32_t openings() const { return static_cast<uint32_t>(word >> kOpeningsShift & kOpeningsMask); }
  uint64_t since() const { return word & kSinceMask; }
  TimePoint since_time() const { return TimePoint(Millis(since())); }
  uint64_t word;
};

std::string_view breaker_state_name(BreakerState state) {
  switch (state) {
    case BreakerState::closed:
      return "closed";
    case BreakerState::open:
      return "open";
    case BreakerState::half_open:
      return "half-open";
  }
  return "closed";
}

BreakerState breaker_state(const Segment& segment, uint32_t number) {
  return static_cast<BreakerState>(segment.layout().breakers[number].state.load(kRelaxed) >> kPhaseShift);
}

BreakerState Breaker::state() const { return View(area_->state.load(kRelaxed)).phase(); }

TimePoint Breaker::open_until() const {
  const View view(area_->state.load(kRelaxed));
  return view.since_time() + open_time(view.openings());
}

Duration Breaker::open_time(uint32_t openings) const {
  const uint32_t doublings = std::min(openings == 0 ? 0 : openings - 1, 20u);
  return std::min<Millis>(rules_.time * (int64_t{1} << doublings), rules_.time_max);
}

bool Breaker::admits(TimePoint now) const {
  const View view(area_->state.load(kRelaxed));
  switch (view.phase()) {
    case BreakerState::closed:
      return true;
    case BreakerState::open:
      return now >= view.since_time() + open_time(view.openings());
    case BreakerState::half_open:
      return read_trial(area_->trial.load(kRelaxed), view.since()).admitted < rules_.trials ||
             now >= view.since_time() + rules_.time_max;
  }
  return true;
}

bool Breaker::change(View from, BreakerState to, uint32_t openings, TimePoint now) {
  const uint64_t word = static_cast<uint64_t>(to) << kPhaseShift |
                        std::min<uint64_t>(openings, kOpeningsMask) << kOpeningsShift |
                        std::max(millis(now), from.since() + 1);
  return area_->state.compare_exchange_strong(from.word, word, kRelaxed);
}

bool Breaker::admit(TimePoint now, Pass& pass) {
  pass = {now, false};
  for (;;) {
    const View view(area_->state.load(kRelaxed));
    if (view.phase() == BreakerState::closed) return true;
    if (!admits(now)) return false;
    const bool due = view.phase() == BreakerState::open || now >= view.since_time() + rules_.time_max;
    if (due) {
      // Whoever does it first; the others come to the same.
      change(view, BreakerState::half_open, view.openings(), now);
      continue;
    }
    uint64_t word = area_->trial.load(kRelaxed);
    Trial trial = read_trial(word, view.since());
    if (trial.admitted >= rules_.trials) return false;
    ++trial.admitted;
    if (!area_->trial.compare_exchange_strong(word, trial_word(view.since(), trial), kRelaxed)) continue;
    // The round may have begun a millisecond ahead of a clock that is read once a turn.
    pass = {std::max(now, view.since_time()), true};
    return true;
  }
}

Breaker::Change Breaker::note(const Pass& pass, bool good, TimePoint now) {
  const View view(area_->state.load(kRelaxed));
  if (pass.began < view.since_time()) return Change::none;
  if (view.phase() == BreakerState::closed) {
    const auto length = static_cast<uint64_t>(std::max<int64_t>(rules_.window.count(), 8)) / kBreakerSlices;
    const uint64_t tick = millis(now) / length;
    add_to_slice(area_->slices[tick % kBreakerSlices], tick, good);
    return !good && too_many(tick) && open(view, now) ? Change::opened : Change::none;
  }
  if (view.phase() != BreakerState::half_open || !pass.trial) return Change::none;
  if (!good) return open(view, now) ? Change::opened : Change::none;
  uint64_t word = area_->trial.load(kRelaxed);
  Trial trial;
  do {
    trial = read_trial(word, view.since());
    ++trial.good;
  } while (!area_->trial.compare_exchange_weak(word, trial_word(view.since(), trial), kRelaxed));
  if (trial.good < rules_.trials || !change(view, BreakerState::closed, view.openings(), now)) {
    return Change::none;
  }
  for (Word& slice : area_->slices) slice.store(0, kRelaxed);
  return Change::closed;
}

void Breaker::abandon(const Pass& pass) {
  if (!pass.trial) return;
  const View view(area_->state.load(kRelaxed));
  if (view.phase() != BreakerState::half_open || pass.began < view.since_time()) return;
  uint64_t word = area_->trial.load(kRelaxed);
  Trial trial;
  do {
    trial = read_trial(word, view.since());
    if (trial.admitted == 0) return;
    --trial.admitted;
  } while (!area_->trial.compare_exchange_weak(word, trial_word(view.since(), trial), kRelaxed));
}

bool Breaker::too_many(uint64_t tick) const {
  Slice sum;
  for (uint64_t age = 0; age < kBreakerSlices && age <= tick; ++age) {
    const uint64_t word = area_->slices[(tick - age) % kBreakerSlices].load(kRelaxed);
    const Slice slice = read_slice(word, tick - age);
    sum.requests += slice.requests;
    sum.failures += slice.failures;
  }
  return sum.requests >= rules_.requests && sum.failures * 10'000 >= sum.requests * rules_.failures;
}

// What was calm for the longest opening begins anew with the shortest.
bool Breaker::open(View from, TimePoint now) {
  const bool calm =
      from.phase() == BreakerState::closed && now - from.since_time() > Duration(rules_.time_max);
  return change(from, BreakerState::open, calm ? 1 : from.openings() + 1, now);
}

}  // namespace banyan::shm
