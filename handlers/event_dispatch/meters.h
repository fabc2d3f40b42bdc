// The metrics of one event_dispatch handler in this worker: handles that are looked up once.
#pragma once

#include <array>
#include <optional>

#include "shm/counters.h"

namespace banyan::handlers {

struct EventMeters {
  // `number`: the handler's in the directory.
  EventMeters(shm::Counters& counters, uint32_t number);

  shm::Counter connections(shm::EventTransport transport) const {
    return counters_.counter(shm::Metric::events_connections, number_, transport);
  }
  shm::Counter& deliveries(shm::EventTransport transport) {
    std::optional<shm::Counter>& known = deliveries_[static_cast<size_t>(transport)];
    if (!known) known = counters_.counter(shm::Metric::events_deliveries, number_, transport);
    return *known;
  }
  void note_dropped(shm::EventDrop reason, uint64_t count = 1) const {
    counters_.counter(shm::Metric::events_dropped, number_, reason).add(count);
  }
  void note_closed(shm::EventClose reason) const {
    counters_.counter(shm::Metric::events_closed, number_, reason).add();
  }
  void note_resume(shm::ResumeResult result) const {
    counters_.counter(shm::Metric::events_resume, number_, result).add();
  }

  shm::Counter queue_bytes;
  shm::Counter too_fast;
  shm::Histogram delivery_time;

 private:
  shm::Counters& counters_;
  uint32_t number_;
  static constexpr size_t kTransports = static_cast<size_t>(shm::EventTransport::long_poll) + 1;
  std::array<std::optional<shm::Counter>, kTransports> deliveries_;  // of those that were used
};

}  // namespace banyan::handlers
