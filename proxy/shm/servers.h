// What all processes know of each server of an upstream, by its number in the directory (Kind::server):
// orders and probe results, written by the controller; failures of requests, ejections and requests under
// way, written by the workers. All of it survives reloads and the death of workers.
#pragma once

#include <optional>
#include <string_view>

#include "base/clock.h"
#include "shm/segment.h"

namespace banyan::shm {

// What the operator said. drain: no new requests, those under way end; down: the same, and said to be so.
enum class ServerOrder : uint32_t { up, drain, down };
std::string_view server_order_name(ServerOrder order);  // "up"

// What active health probes say; unknown counts as healthy.
enum class ServerHealth : uint32_t { unknown, healthy, unhealthy };
std::string_view server_health_name(ServerHealth health);  // "healthy"

// REQUIRES (all): number is of the directory. Relaxed loads and stores.
inline ServerOrder server_order(const Segment& segment, uint32_t number) {
  return static_cast<ServerOrder>(segment.layout().servers[number].order.load(std::memory_order_relaxed));
}
inline void set_server_order(Segment& segment, uint32_t number, ServerOrder order) {
  segment.layout().servers[number].order.store(static_cast<uint32_t>(order), std::memory_order_relaxed);
}
inline ServerHealth server_health(const Segment& segment, uint32_t number) {
  return static_cast<ServerHealth>(segment.layout().servers[number].health.load(std::memory_order_relaxed));
}
inline void set_server_health(Segment& segment, uint32_t number, ServerHealth health) {
  segment.layout().servers[number].health.store(static_cast<uint32_t>(health), std::memory_order_relaxed);
}

// When an order or a probe brought the server back, for slow start; nothing if it never was away.
std::optional<TimePoint> server_recovered(const Segment& segment, uint32_t number);
void set_server_recovered(Segment& segment, uint32_t number, TimePoint now);

// Passive health of one server: what the requests of all workers say. An ejected server is left out for a
// while that grows with each ejection (Envoy's consecutive_gateway_failure).
class Ejections {
 public:
  struct Rules {
    uint32_t failures = 0;  // in a row; 0: never
    Millis time{};          // of the first ejection; the n-th lasts n times as long
    Millis time_max{};
  };

  // REQUIRES: number is of the directory. The segment must outlive this.
  Ejections(const Segment& segment, uint32_t number) : words_(&segment.layout().servers[number]) {}

  // A request failed by the server's fault. True when that ejects it; of several workers that see the last
  // failure at the same time one is told so. `may_eject` false: only counted.
  bool note_failure(const Rules& rules, TimePoint now, bool may_eject);
  void note_success(const Rules& rules, TimePoint now);
  // The server itself asks to be left alone: ejected up to that time at least. True if it was not ejected
  // before.
  bool set_aside(TimePoint now, TimePoint until);
  bool ejected(TimePoint now) const { return until() > now; }
  // The end of the last ejection; the clock's beginning if there was none.
  TimePoint until() const { return TimePoint(Millis(words_->ejected_until.load(std::memory_order_relaxed))); }

 private:
  ServerWords* words_;
};

// Requests under way at a server with a limit, over all workers. As with InFlight, each worker counts its own
// and compares the sum after it has added itself: two that race for the last place may both be refused, never
// both admitted.
class ServerLoad {
 public:
  // REQUIRES: slot is this worker's own. The segment must outlive this.
  ServerLoad(const Segment& segment, uint32_t slot, uint32_t number)
      : layout_(&segment.layout()), slot_(slot), number_(number) {}

  bool full(uint32_t limit) const { return sum() >= limit; }
  // Takes a place if fewer than `limit` are taken; give it back with leave().
  bool enter(uint32_t limit);
  void leave();

 private:
  uint64_t sum() const;
  HalfWord& own() const { return layout_->loads[slot_].requests[number_]; }

  Layout* layout_;
  uint32_t slot_;
  uint32_t number_;
};

}  // namespace banyan::shm
