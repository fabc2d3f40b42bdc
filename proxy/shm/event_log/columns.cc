#include "shm/event_log/columns.h"

#include <algorithm>

#include "base/check.h"

namespace banyan::shm {

void Columns::begin(uint32_t worker, uint64_t life) {
  ColumnHead& head = area_.heads[worker];
  if (head.life.load(std::memory_order_relaxed) != life) {
    const uint32_t used = head.used.load(std::memory_order_relaxed);
    for (uint32_t i = 0; i < used; ++i) count(worker, i).store(0, std::memory_order_relaxed);
    head.used.store(0, std::memory_order_release);
    head.life.store(life, std::memory_order_relaxed);
  }
  uint32_t workers = area_.workers.load(std::memory_order_relaxed);
  while (workers <= worker && !area_.workers.compare_exchange_weak(workers, worker + 1)) {
  }
}

void Columns::add(uint32_t worker, uint32_t channel, uint32_t more) {
  HalfWord& word = count(worker, channel);
  HalfWord& used = area_.heads[worker].used;
  // In this order: whoever is killed in between leaves no count that begin() would not see.
  if (used.load(std::memory_order_relaxed) <= channel) used.store(channel + 1, std::memory_order_release);
  word.store(word.load(std::memory_order_relaxed) + more, std::memory_order_release);
}

void Columns::subtract(uint32_t worker, uint32_t channel, uint32_t less) {
  HalfWord& word = count(worker, channel);
  const uint32_t had = word.load(std::memory_order_relaxed);
  CHECK(had >= less);
  // Release: who evicts the channel now does it after all that this worker has read of it.
  word.store(had - less, std::memory_order_release);
}

uint32_t Columns::of(uint32_t worker, uint32_t channel) const {
  if (channel >= area_.heads[worker].used.load(std::memory_order_acquire)) return 0;
  return count(worker, channel).load(std::memory_order_acquire);
}

uint64_t Columns::sum(uint32_t channel) const {
  uint64_t sum = 0;
  const uint32_t workers = area_.workers.load(std::memory_order_acquire);
  for (uint32_t i = 0; i < workers; ++i) sum += of(i, channel);
  return sum;
}

bool Columns::any(uint32_t channel) const {
  const uint32_t workers = area_.workers.load(std::memory_order_acquire);
  for (uint32_t i = 0; i < workers; ++i) {
    if (of(i, channel) > 0) return true;
  }
  return false;
}

WorkerSet Columns::listening(uint32_t channel) const {
  WorkerSet set;
  const uint32_t workers = area_.workers.load(std::memory_order_acquire);
  for (uint32_t i = 0; i < workers; ++i) {
    if (of(i, channel) > 0) set.add(i);
  }
  return set;
}

}  // namespace banyan::shm
