#include "shm/counters.h"

#include <algorithm>

#include "base/check.h"

namespace banyan::shm {
namespace {

constexpr size_t kFirstPlaces = 256;

// Keys differ in a few bits here and there; folding and multiplying spread them over all.
size_t spread(uint64_t key, size_t places) {
  return static_cast<size_t>((key ^ key >> 32) * 0x9e3779b97f4a7c15u >> 32) & (places - 1);
}

}  // namespace

void Histogram::observe(Duration duration) {
  const double seconds = std::chrono::duration<double>(duration).count();
  const size_t bucket = std::lower_bound(bounds_.begin(), bounds_.end(), seconds) - bounds_.begin();
  Counter(entries_[bucket].value).add();
  const auto micros = std::chrono::duration_cast<std::chrono::microseconds>(duration).count();
  Counter(entries_[kBounds + 1].value).add(static_cast<uint64_t>(std::max<int64_t>(micros, 0)));
}

Counters::Counters(Segment& segment, uint32_t slot) : places_(kFirstPlaces) {
  CHECK(slot < kSlots);
  CounterArea& area = segment.layout().counters[slot];
  count_ = &area.count;
  entries_ = area.entries;
  const uint32_t count = count_->load(std::memory_order_relaxed);
  for (uint32_t i = 0; i < count; ++i) remember(entries_[i].key.load(std::memory_order_relaxed), i);
  // Always there, so that it can count when nothing else fits any more.
  at(series_key(Metric::metrics_series_dropped));
}

Histogram Counters::histogram(uint64_t key) {
  const MetricRow& row = metric_row(metric_of(key));
  CHECK(row.type == MetricType::histogram);
  CounterEntry* entries = find_or_append(key, kHistogramEntries);
  return {entries ? entries : nowhere_.data(), row.bounds};
}

Word& Counters::at(uint64_t key) {
  CounterEntry* entry = find_or_append(key, 1);
  return entry ? entry->value : nowhere_[0].value;
}

CounterEntry* Counters::find_or_append(uint64_t key, uint32_t entries) {
  for (size_t i = spread(key, places_.size());; i = (i + 1) & (places_.size() - 1)) {
    if (places_[i].key == key) return &entries_[places_[i].index];
    if (places_[i].key == 0) break;
  }
  const uint32_t first = count_->load(std::memory_order_relaxed);
  if (entries > entries_.size() - first) {
    drop_series();
    return nullptr;
  }
  for (uint32_t i = 0; i < entries; ++i) {
    entries_[first + i].value.store(0, std::memory_order_relaxed);
    entries_[first + i].key.store(key + i, std::memory_order_relaxed);
  }
  count_->store(first + entries, std::memory_order_release);
  remember(key, first);
  return &entries_[first];
}

void Counters::remember(uint64_t key, uint32_t index) {
  if (2 * (known_ + 1) > places_.size()) {
    std::vector<Place> old(places_.size() * 2);
    old.swap(places_);
    known_ = 0;
    for (const Place& place : old) {
      if (place.key) remember(place.key, place.index);
    }
  }
  size_t i = spread(key, places_.size());
  while (places_[i].key != 0) i = (i + 1) & (places_.size() - 1);
  places_[i] = {key, index};
  ++known_;
}

void Counters::drop_series() { counter(series_key(Metric::metrics_series_dropped)).add(); }

}  // namespace banyan::shm
