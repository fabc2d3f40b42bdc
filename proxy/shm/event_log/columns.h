// Who listens: for each worker a column with the number of its subscribers of each channel. Only that worker
// writes it.
#pragma once

#include "shm/worker_set.h"

namespace banyan::shm {

struct alignas(64) ColumnHead {
  Word life;      // of the process that wrote the column
  HalfWord used;  // counts from here on are 0 and were never touched
};

struct ColumnArea {
  alignas(64) HalfWord workers;  // columns in use are below it
  alignas(64) std::array<ColumnHead, kWorkers> heads;
};

class Columns {
 public:
  Columns(ColumnArea& area, std::byte* counts, uint32_t max_channels)
      : area_(area), counts_(reinterpret_cast<HalfWord*>(counts)), max_channels_(max_channels) {}
  static uint64_t bytes(uint32_t max_channels) { return uint64_t{kWorkers} * max_channels * 4; }

  // Of the process that wrote the column last; 0: none did.
  uint64_t life(uint32_t worker) const { return area_.heads[worker].life.load(std::memory_order_relaxed); }
  // Of this worker, channels from here on have no subscribers.
  uint32_t used(uint32_t worker) const { return area_.heads[worker].used.load(std::memory_order_acquire); }
  // Empties the column if it is of an earlier life.
  void begin(uint32_t worker, uint64_t life);
  void add(uint32_t worker, uint32_t channel, uint32_t count);
  void subtract(uint32_t worker, uint32_t channel, uint32_t count);
  uint32_t of(uint32_t worker, uint32_t channel) const;
  // Of all workers. What join() counted before the caller took the lock is in it.
  uint64_t sum(uint32_t channel) const;
  // Whether that is above 0.
  bool any(uint32_t channel) const;
  WorkerSet listening(uint32_t channel) const;

 private:
  HalfWord& count(uint32_t worker, uint32_t channel) const {
    return counts_[uint64_t{worker} * max_channels_ + channel];
  }

  ColumnArea& area_;
  HalfWord* counts_;
  uint32_t max_channels_;
};

}  // namespace banyan::shm
