// Orders and probe results for each server of an upstream, by its number in the directory (Kind::server).
// Written by the controller, read by the workers before they pick a server.
#pragma once

#include <string_view>

#include "shm/segment.h"

namespace banyan::shm {

// What the operator said. drain: no new requests but those that stick to it; down: none at all.
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

}  // namespace banyan::shm
