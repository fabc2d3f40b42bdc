// Memory for an event log that forked processes share, and a worker's view of it.
#pragma once

#include <sys/mman.h>

#include <memory>
#include <span>

#include "base/check.h"
#include "shm/event_log.h"

namespace banyan::testing {

class EventRegion {
 public:
  explicit EventRegion(const shm::EventLogShape& shape) {
    const uint64_t size = shm::EventLog::region_size(shape);
    void* memory =
        mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    CHECK(memory != MAP_FAILED);
    bytes_ = {static_cast<std::byte*>(memory), size};
    CHECK(shm::EventLog::format(bytes_, shape).ok());
  }
  ~EventRegion() { munmap(bytes_.data(), bytes_.size()); }
  EventRegion(const EventRegion&) = delete;
  EventRegion& operator=(const EventRegion&) = delete;

  std::span<std::byte> bytes() const { return bytes_; }
  std::unique_ptr<shm::EventLog> view(uint32_t worker, uint64_t life = 1) const {
    return std::make_unique<shm::EventLog>(bytes_, worker, life);
  }

 private:
  std::span<std::byte> bytes_;
};

}  // namespace banyan::testing
