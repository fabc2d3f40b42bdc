// Which of the usable servers gets the next request: nginx's smooth weighted round robin, least connections
// by weight, the power of two choices, and a consistent hash (ketama-like ring: taking a server out moves
// only its own share).
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/random.h"
#include "config/schema.h"
#include "upstream/server.h"

namespace banyan::upstream {

class Balancer {
 public:
  // `servers` outlives the balancer; the ring is built of all of them.
  Balancer(config::Upstream::Balance method, std::span<const std::unique_ptr<Server>> servers);

  // REQUIRES: `usable` is not empty and holds servers of the group. `hash` is for Balance::hash.
  Server* pick(std::span<Server* const> usable, uint64_t hash);

 private:
  struct Point {
    uint64_t place;
    Server* server;
  };

  static Server* round_robin(std::span<Server* const> usable);
  static Server* least_connections(std::span<Server* const> usable);
  Server* power_of_two(std::span<Server* const> usable);
  Server* on_ring(std::span<Server* const> usable, uint64_t hash) const;

  config::Upstream::Balance method_;
  Random random_;
  std::vector<Point> ring_;  // sorted by place
};

}  // namespace banyan::upstream
