// Reading the counters of all processes, and keeping what dead ones had counted.
#pragma once

#include <map>
#include <unordered_map>

#include "shm/metrics.h"
#include "shm/segment.h"

namespace banyan::shm {

// The sums over all processes, living and retired, by key. A consistent picture with respect to
// retire_slot(): no count is missing or there twice. Any process.
std::map<uint64_t, uint64_t> total_counters(const Segment& segment);

// The values of one process.
std::map<uint64_t, uint64_t> slot_counters(const Segment& segment, uint32_t slot);

// Moves the counters of dead processes to the retired ones. The master owns one.
class Retirement {
 public:
  // The segment must outlive it.
  explicit Retirement(Segment& segment);

  // REQUIRES: the slot's process is dead (waited for). Adds counters, histograms and the statistics of
  // rollouts to the retired ones, drops gauges, empties the slot: all of these, in-flight requests and
  // ProcessSlot but for `restarts`.
  void retire_slot(uint32_t slot);

 private:
  CounterEntry* find_or_append(uint64_t key);
  void reset_process(uint32_t slot);

  Layout* layout_;
  std::unordered_map<uint64_t, uint32_t> places_;
};

}  // namespace banyan::shm
