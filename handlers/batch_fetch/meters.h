// The metrics of one batch_fetch handler in this worker: handles that are looked up once.
#pragma once

#include "handlers/batch_fetch/object_cache.h"
#include "shm/counters.h"

namespace banyan::handlers {

struct BatchMeters {
  // `number`: the handler's in the directory.
  BatchMeters(shm::Counters& counters, uint32_t number);

  void note_request(shm::BatchResult result);
  void note_keys(shm::BatchResult result, uint64_t count);
  // `again`: the key was looked for before, only a success counts.
  void note_look_up(ObjectCache::Found found, bool again);

  shm::Counter fetches, coalesced, retries, hedges, hedges_won;
  shm::Histogram store_time, queue_time, margin, duration;

 private:
  shm::Counters& counters_;
  uint32_t number_;
};

}  // namespace banyan::handlers
