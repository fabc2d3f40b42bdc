#include "shm/tally.h"

#include <sys/mman.h>

#include <thread>

#include "base/check.h"
#include "base/log.h"
#include "shm/rollout_statistics.h"

namespace banyan::shm {
namespace {

using Totals = std::map<uint64_t, uint64_t>;

// A fold takes microseconds; a master killed in the middle of one never ends it.
constexpr int kTries = 1000;

template <class Table>
void add_table(const Table& table, Totals& totals) {
  const uint32_t count = table.count.load(std::memory_order_acquire);
  for (uint32_t i = 0; i < count; ++i) {
    const CounterEntry& entry = table.entries[i];
    totals[entry.key.load(std::memory_order_relaxed)] += entry.value.load(std::memory_order_relaxed);
  }
}

bool is_known(uint64_t key) {
  return metric_of(key) != Metric::none && metric_of(key) < Metric::count_of_metrics;
}

}  // namespace

Totals total_counters(const Segment& segment) {
  const Layout& layout = segment.layout();
  const Word& sequence = layout.header.fold_sequence;
  Totals totals;
  for (int tries = 0; tries < kTries; ++tries) {
    const uint64_t before = sequence.load(std::memory_order_seq_cst);
    totals.clear();
    const uint32_t slots = worker_slot(layout.header.workers.load(std::memory_order_acquire));
    for (uint32_t slot = 0; slot < slots; ++slot) add_table(layout.counters[slot], totals);
    add_table(layout.retired, totals);
    if (before % 2 == 0 && sequence.load(std::memory_order_seq_cst) == before) break;
    std::this_thread::yield();
  }
  return totals;
}

Totals slot_counters(const Segment& segment, uint32_t slot) {
  CHECK(slot < kSlots);
  Totals totals;
  add_table(segment.layout().counters[slot], totals);
  return totals;
}

Retirement::Retirement(Segment& segment) : layout_(&segment.layout()) {
  const uint32_t count = layout_->retired.count.load(std::memory_order_acquire);
  for (uint32_t i = 0; i < count; ++i) {
    places_.emplace(layout_->retired.entries[i].key.load(std::memory_order_relaxed), i);
  }
}

void Retirement::retire_slot(uint32_t slot) {
  CHECK(slot < kSlots);
  Word& sequence = layout_->header.fold_sequence;
  sequence.fetch_add(1, std::memory_order_seq_cst);
  CounterArea& area = layout_->counters[slot];
  const uint32_t count = area.count.load(std::memory_order_acquire);
  for (uint32_t i = 0; i < count; ++i) {
    const uint64_t key = area.entries[i].key.load(std::memory_order_relaxed);
    if (!is_known(key) || metric_row(metric_of(key)).type == MetricType::gauge) continue;
    CounterEntry* entry = find_or_append(key);
    if (entry) entry->value.fetch_add(area.entries[i].value.load(std::memory_order_relaxed));
  }
  area.count.store(0, std::memory_order_seq_cst);
  retire_statistics(*layout_, slot);
  sequence.fetch_add(1, std::memory_order_seq_cst);
  reset_process(slot);
}

CounterEntry* Retirement::find_or_append(uint64_t key) {
  RetiredArea& retired = layout_->retired;
  if (auto it = places_.find(key); it != places_.end()) return &retired.entries[it->second];
  const uint32_t index = retired.count.load(std::memory_order_relaxed);
  if (index == retired.entries.size()) {
    LOG(error, "no room for the counters of dead workers: some series begin anew");
    return nullptr;
  }
  retired.entries[index].value.store(0, std::memory_order_relaxed);
  retired.entries[index].key.store(key, std::memory_order_relaxed);
  retired.count.store(index + 1, std::memory_order_release);
  places_.emplace(key, index);
  return &retired.entries[index];
}

namespace {

// Gives the pages back, which makes them zero; looking for what is not zero would fetch all of them.
bool give_back_pages(void* area, size_t size) { return madvise(area, size, MADV_REMOVE) == 0; }

}  // namespace

void Retirement::reset_process(uint32_t slot) {
  ProcessSlot& process = layout_->processes[slot];
  process.state.store(0);
  process.pid.store(0);
  process.connections.store(0);
  process.requests.store(0);
  process.loop_lag.store(0);
  process.beat.store(0);
  InFlightArea& area = layout_->in_flight[slot];
  if (!give_back_pages(&area, sizeof(area))) {
    for (InFlightSet& set : area.sets) {
      for (Word& word : set.words) word.store(0, std::memory_order_relaxed);
    }
  }
  LoadArea& load = layout_->loads[slot];
  if (!give_back_pages(&load, sizeof(load))) {
    for (HalfWord& word : load.requests) word.store(0, std::memory_order_relaxed);
  }
}

}  // namespace banyan::shm
