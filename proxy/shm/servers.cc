#include "shm/servers.h"

#include <algorithm>

namespace banyan::shm {
namespace {

// All processes of a machine share the monotonic clock.
uint64_t shared_millis(TimePoint time) {
  return static_cast<uint64_t>(std::chrono::duration_cast<Millis>(time.time_since_epoch()).count());
}
TimePoint of_shared(uint64_t millis) { return TimePoint(Millis(millis)); }

}  // namespace

std::string_view server_order_name(ServerOrder order) {
  switch (order) {
    case ServerOrder::up:
      return "up";
    case ServerOrder::drain:
      return "drain";
    case ServerOrder::down:
      return "down";
  }
  return "up";
}

std::string_view server_health_name(ServerHealth health) {
  switch (health) {
    case ServerHealth::unknown:
      return "unknown";
    case ServerHealth::healthy:
      return "healthy";
    case ServerHealth::unhealthy:
      return "unhealthy";
  }
  return "unknown";
}

std::optional<TimePoint> server_recovered(const Segment& segment, uint32_t number) {
  const uint64_t millis = segment.layout().servers[number].recovered.load(std::memory_order_relaxed);
  return millis == 0 ? std::nullopt : std::optional(of_shared(millis));
}

void set_server_recovered(Segment& segment, uint32_t number, TimePoint now) {
  segment.layout().servers[number].recovered.store(shared_millis(now), std::memory_order_relaxed);
}

bool Ejections::note_failure(const Rules& rules, TimePoint now, bool may_eject) {
  const uint32_t failures = words_->failures.fetch_add(1, std::memory_order_relaxed) + 1;
  if (rules.failures == 0 || failures < rules.failures || !may_eject) return false;
  uint64_t before = words_->ejected_until.load(std::memory_order_relaxed);
  if (of_shared(before) > now) return false;
  const uint32_t ejections = words_->ejections.load(std::memory_order_relaxed) + 1;
  const uint64_t until = shared_millis(now + std::min<Millis>(rules.time * ejections, rules.time_max));
  if (!words_->ejected_until.compare_exchange_strong(before, until, std::memory_order_relaxed)) return false;
  words_->ejections.store(ejections, std::memory_order_relaxed);
  words_->failures.store(0, std::memory_order_relaxed);
  return true;
}

bool Ejections::set_aside(TimePoint now, TimePoint until) {
  const uint64_t wanted = shared_millis(until);
  uint64_t before = words_->ejected_until.load(std::memory_order_relaxed);
  while (before < wanted) {
    if (words_->ejected_until.compare_exchange_weak(before, wanted, std::memory_order_relaxed)) {
      return of_shared(before) <= now;
    }
  }
  return false;
}

// Looks before it writes: nearly always there is nothing to write, and the line stays in everybody's cache.
void Ejections::note_success(const Rules& rules, TimePoint now) {
  if (words_->failures.load(std::memory_order_relaxed) != 0) {
    words_->failures.store(0, std::memory_order_relaxed);
  }
  if (words_->ejections.load(std::memory_order_relaxed) != 0 && now - until() > rules.time_max) {
    words_->ejections.store(0, std::memory_order_relaxed);
  }
}

bool ServerLoad::enter(uint32_t limit) {
  own().fetch_add(1, std::memory_order_seq_cst);
  if (sum() <= limit) return true;
  leave();
  return false;
}

void ServerLoad::leave() { own().fetch_sub(1, std::memory_order_seq_cst); }

uint64_t ServerLoad::sum() const {
  const uint32_t slots = worker_slot(layout_->header.workers.load(std::memory_order_relaxed));
  uint64_t sum = 0;
  for (uint32_t slot = kFirstWorkerSlot; slot < slots; ++slot) {
    sum += layout_->loads[slot].requests[number_].load(std::memory_order_seq_cst);
  }
  return sum;
}

}  // namespace banyan::shm
