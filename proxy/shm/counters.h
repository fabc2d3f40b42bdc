// Counters, gauges and histograms of one process, in its own part of the segment.
//
//   count │ key value │ key value │ …        entries are appended and never move
//
// Only the process whose slot it is writes, with plain relaxed stores; everybody may read. Where a key's
// entry is, the writer remembers in its own memory, so a series in use costs its 16 bytes here and nothing
// else is touched.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "base/clock.h"
#include "shm/metrics.h"
#include "shm/segment.h"

namespace banyan::shm {

// One counter or gauge: a handle to keep, valid as long as its Counters. Loop thread only.
class Counter {
 public:
  explicit Counter(Word& word) : word_(&word) {}
  void add(uint64_t amount = 1) {
    word_->store(word_->load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
  }
  // For gauges.
  void subtract(uint64_t amount = 1) { add(-amount); }
  void set(uint64_t value) { word_->store(value, std::memory_order_relaxed); }
  uint64_t value() const { return word_->load(std::memory_order_relaxed); }

 private:
  Word* word_;
};

// One histogram: the same kind of handle.
class Histogram {
 public:
  Histogram(CounterEntry* entries, std::span<const double> bounds) : entries_(entries), bounds_(bounds) {}
  void observe(Duration duration);

 private:
  CounterEntry* entries_;
  std::span<const double> bounds_;
};

class Counters {
 public:
  // REQUIRES: slot < kSlots, written by nobody else. Continues with what the slot holds. The segment must
  // outlive it.
  Counters(Segment& segment, uint32_t slot);
  Counters(const Counters&) = delete;
  Counters& operator=(const Counters&) = delete;

  // The series of a key (series_key()); made when it is new. About 5 ns for a known key; keep the handle
  // where that counts. When there is no room the handle leads nowhere and metrics_series_dropped is counted.
  Counter counter(uint64_t key) { return Counter(at(key)); }
  Counter counter(Metric metric, auto... labels) { return counter(series_key(metric, value_of(labels)...)); }
  // REQUIRES: the key's metric is a histogram, its last value 0.
  Histogram histogram(uint64_t key);
  Histogram histogram(Metric metric, auto... labels) {
    return histogram(series_key(metric, value_of(labels)...));
  }

 private:
  Word& at(uint64_t key);
  // The first of `entries` consecutive entries with the keys key, key + 1 …; null when there is no room.
  CounterEntry* find_or_append(uint64_t key, uint32_t entries);
  void remember(uint64_t key, uint32_t index);
  void drop_series();

  struct Place {
    uint64_t key = 0;
    uint32_t index = 0;
  };

  HalfWord* count_;
  std::span<CounterEntry> entries_;
  std::vector<Place> places_;  // open addressing, a power of two, at most half full
  size_t known_ = 0;
  std::array<CounterEntry, kHistogramEntries> nowhere_{};
};

}  // namespace banyan::shm
