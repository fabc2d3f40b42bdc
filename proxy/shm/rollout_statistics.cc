#include "shm/rollout_statistics.h"

#include <bit>
#include <cmath>
#include <numeric>
#include <thread>

#include "base/check.h"
#include "shm/segment.h"

namespace banyan::shm {
namespace {

// A fold takes microseconds; a master killed in the middle of one never ends it.
constexpr int kTries = 1000;

template <size_t kSize>
void add_words(const std::array<Word, kSize>& words, std::array<uint64_t, kSize>& totals) {
  for (size_t i = 0; i < kSize; ++i) totals[i] += words[i].load(std::memory_order_relaxed);
}

template <size_t kSize>
void move_words(std::array<Word, kSize>& from, std::array<Word, kSize>& to) {
  for (size_t i = 0; i < kSize; ++i) {
    const uint64_t value = from[i].load(std::memory_order_relaxed);
    if (value == 0) continue;  // a store would only touch what may be a page of zeros
    to[i].store(to[i].load(std::memory_order_relaxed) + value, std::memory_order_relaxed);
    from[i].store(0, std::memory_order_relaxed);
  }
}

template <size_t kSize>
void add_all(std::array<uint64_t, kSize>& sums, const std::array<uint64_t, kSize>& more) {
  for (size_t i = 0; i < kSize; ++i) sums[i] += more[i];
}

template <size_t kSize>
void subtract_all(std::array<uint64_t, kSize>& sums, const std::array<uint64_t, kSize>& less) {
  for (size_t i = 0; i < kSize; ++i) sums[i] = sums[i] > less[i] ? sums[i] - less[i] : 0;
}

void add_side(const SideArea& area, SideTotals& totals) {
  add_words(area.endings, totals.endings);
  add_words(area.latencies, totals.latencies);
}

bool is_marked(const RolloutMarks& marks, uint32_t rollout) {
  return marks.words[rollout / 64].load(std::memory_order_acquire) >> rollout % 64 & 1;
}

void add_rollout(const Layout& layout, uint32_t slot, uint32_t rollout, RolloutTotals& totals) {
  if (!is_marked(layout.marks[slot], rollout)) return;
  const RolloutSides& sides = layout.statistics[slot].rollouts[rollout];
  add_side(sides.legacy, totals.legacy);
  add_side(sides.native, totals.native);
}

}  // namespace

std::string_view ending_name(Ending ending) {
  constexpr std::array<std::string_view, kEndings> kTexts = {"answered", "server_error", "failed",  "timeout",
                                                             "fallback", "client_gone",  "diverted"};
  return kTexts[static_cast<size_t>(ending)];
}

uint64_t SideTotals::requests() const {
  return std::accumulate(endings.begin(), endings.end(), uint64_t{0}) - count(Ending::diverted);
}

uint64_t SideTotals::errors() const {
  return count(Ending::server_error) + count(Ending::failed) + count(Ending::timeout) +
         count(Ending::fallback);
}

double SideTotals::error_rate() const {
  const uint64_t all = requests();
  return all == 0 ? 0 : static_cast<double>(errors()) / static_cast<double>(all);
}

uint64_t SideTotals::timed() const {
  return std::accumulate(latencies.begin(), latencies.end(), uint64_t{0});
}

double SideTotals::quantile(double q) const {
  const uint64_t all = timed();
  if (all == 0) return 0;
  const double rank = std::ceil(q * static_cast<double>(all));
  uint64_t below = 0;
  for (size_t i = 0; i < latencies.size(); ++i) {
    below += latencies[i];
    if (below > 0 && static_cast<double>(below) >= rank) return latency_middle(i);
  }
  return latency_middle(kLatencyBuckets - 1);
}

SideTotals& SideTotals::operator+=(const SideTotals& other) {
  add_all(endings, other.endings);
  add_all(latencies, other.latencies);
  return *this;
}

RolloutTotals& RolloutTotals::operator+=(const RolloutTotals& other) {
  legacy += other.legacy;
  native += other.native;
  return *this;
}

RolloutTotals difference(const RolloutTotals& after, const RolloutTotals& before) {
  RolloutTotals result = after;
  subtract_all(result.legacy.endings, before.legacy.endings);
  subtract_all(result.legacy.latencies, before.legacy.latencies);
  subtract_all(result.native.endings, before.native.endings);
  subtract_all(result.native.latencies, before.native.latencies);
  return result;
}

RolloutStatistics::RolloutStatistics(Segment& segment, uint32_t slot) {
  CHECK(slot < kSlots);
  marks_ = &segment.layout().marks[slot];
  area_ = &segment.layout().statistics[slot];
}

RolloutTotals total_statistics(const Segment& segment, uint32_t rollout) {
  CHECK(rollout < kRolloutNumbers);
  const Layout& layout = segment.layout();
  const Word& sequence = layout.header.fold_sequence;
  RolloutTotals totals;
  for (int tries = 0; tries < kTries; ++tries) {
    const uint64_t before = sequence.load(std::memory_order_seq_cst);
    totals = {};
    const uint32_t slots = worker_slot(layout.header.workers.load(std::memory_order_acquire));
    for (uint32_t slot = kFirstWorkerSlot; slot < slots; ++slot) add_rollout(layout, slot, rollout, totals);
    add_rollout(layout, kRetiredStatistics, rollout, totals);
    if (before % 2 == 0 && sequence.load(std::memory_order_seq_cst) == before) break;
    std::this_thread::yield();
  }
  return totals;
}

void retire_statistics(Layout& layout, uint32_t slot) {
  CHECK(slot < kSlots);
  RolloutMarks& marks = layout.marks[slot];
  RolloutMarks& retired = layout.marks[kRetiredStatistics];
  for (size_t word = 0; word < marks.words.size(); ++word) {
    const uint64_t used = marks.words[word].load(std::memory_order_acquire);
    if (used == 0) continue;
    retired.words[word].fetch_or(used);
    for (uint64_t rest = used; rest != 0; rest &= rest - 1) {
      const size_t rollout = word * 64 + static_cast<size_t>(std::countr_zero(rest));
      RolloutSides& from = layout.statistics[slot].rollouts[rollout];
      RolloutSides& to = layout.statistics[kRetiredStatistics].rollouts[rollout];
      move_words(from.legacy.endings, to.legacy.endings);
      move_words(from.legacy.latencies, to.legacy.latencies);
      move_words(from.native.endings, to.native.endings);
      move_words(from.native.latencies, to.native.latencies);
    }
    marks.words[word].store(0, std::memory_order_release);
  }
}

}  // namespace banyan::shm
