// Which of the usable servers gets the next request: nginx's smooth weighted round robin, least connections
// by weight, the power of two choices, and a consistent hash (ketama-like ring: taking a server out moves
// only its own share).
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <utility>
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

  // What pick() would choose of those for which usable(Server&) is true, without asking about all of them:
  // the cost does not grow with the group. Null when the method has to know all, or too many were asked in
  // vain.
  template <class Usable>
  Server* pick_early(uint64_t hash, Usable usable);

 private:
  struct Point {
    uint64_t place;
    Server* server;
  };

  static constexpr int kEarly = 8;  // attempts of pick_early()

  // Load against weight, without division.
  static bool less_loaded(const Server& a, const Server& b) {
    return int64_t{a.active() + 1} * b.share() < int64_t{b.active() + 1} * a.share();
  }
  static Server* round_robin(std::span<Server* const> usable);
  static Server* least_connections(std::span<Server* const> usable);
  Server* power_of_two(std::span<Server* const> usable);
  Server* on_ring(std::span<Server* const> usable, uint64_t hash) const;
  std::pair<Server*, Server*> two_of(std::span<Server* const> servers);
  std::vector<Point>::const_iterator place_on_ring(uint64_t hash) const;

  config::Upstream::Balance method_;
  Random random_;
  std::vector<Server*> all_;
  std::vector<Point> ring_;  // sorted by place
};

template <class Usable>
Server* Balancer::pick_early(uint64_t hash, Usable usable) {
  if (method_ == config::Upstream::Balance::p2c && all_.size() > 1) {
    // Pairs with one that is not usable are thrown away: those that are left are as likely as each other.
    for (int i = 0; i < kEarly; ++i) {
      auto [first, second] = two_of(all_);
      if (usable(*first) && usable(*second)) return less_loaded(*second, *first) ? second : first;
    }
  }
  if (method_ == config::Upstream::Balance::hash && !ring_.empty()) {
    auto point = place_on_ring(hash);
    for (int i = 0; i < kEarly; ++i, ++point) {
      if (point == ring_.end()) point = ring_.begin();
      if (usable(*point->server)) return point->server;
    }
  }
  return nullptr;
}

}  // namespace banyan::upstream
