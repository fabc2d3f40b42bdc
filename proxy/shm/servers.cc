#include "shm/servers.h"

namespace banyan::shm {

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

}  // namespace banyan::shm
