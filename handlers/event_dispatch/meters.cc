#include "handlers/event_dispatch/meters.h"

namespace banyan::handlers {

using shm::Metric;

EventMeters::EventMeters(shm::Counters& counters, uint32_t number)
    : queue_bytes(counters.counter(Metric::events_queue_bytes, number)),
      too_fast(counters.counter(Metric::events_too_fast, number)),
      delivery_time(counters.histogram(Metric::events_delivery_time, number)),
      counters_(counters),
      number_(number) {}

}  // namespace banyan::handlers
