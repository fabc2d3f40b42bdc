#include "handlers/batch_fetch/meters.h"

namespace banyan::handlers {

using shm::Metric;

BatchMeters::BatchMeters(shm::Counters& counters, uint32_t number)
    : fetches(counters.counter(Metric::batch_fetches, number)),
      coalesced(counters.counter(Metric::batch_coalesced, number)),
      retries(counters.counter(Metric::batch_retries, number)),
      hedges(counters.counter(Metric::batch_hedges, number)),
      hedges_won(counters.counter(Metric::batch_hedges_won, number)),
      store_time(counters.histogram(Metric::batch_fetch_duration, number)),
      queue_time(counters.histogram(Metric::batch_queue_time, number)),
      margin(counters.histogram(Metric::batch_deadline_margin, number)),
      duration(counters.histogram(Metric::batch_duration, number)),
      counters_(counters),
      number_(number) {}

void BatchMeters::note_request(shm::BatchResult result) {
  counters_.counter(Metric::batch_requests, number_, result).add();
}

void BatchMeters::note_keys(shm::BatchResult result, uint64_t count) {
  if (count > 0) counters_.counter(Metric::batch_keys, number_, result).add(count);
}

void BatchMeters::note_look_up(ObjectCache::Found found, bool again) {
  const bool success = found == ObjectCache::Found::fresh || found == ObjectCache::Found::stale;
  if (again && !success) return;
  counters_.counter(Metric::batch_cache_lookups, number_, static_cast<shm::CacheResult>(found)).add();
}

}  // namespace banyan::handlers
