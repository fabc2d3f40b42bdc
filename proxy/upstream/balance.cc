#include "upstream/balance.h"

#include <algorithm>

#include "base/stable_hash.h"

namespace banyan::upstream {
namespace {

// Points on the ring for each unit of weight: with 160 the shares of equal servers differ by a few percent.
constexpr int kPointsPerWeight = 160;

// Smooth weighted round robin among those for which takes_part(server) is true.
template <class Part>
Server* next_in_turn(std::span<Server* const> usable, Part takes_part) {
  Server* best = nullptr;
  int64_t total = 0;
  for (Server* server : usable) {
    if (!takes_part(*server)) continue;
    server->round_robin_credit += server->share();
    total += server->share();
    if (!best || server->round_robin_credit > best->round_robin_credit) best = server;
  }
  best->round_robin_credit -= total;
  return best;
}

}  // namespace

Balancer::Balancer(config::Upstream::Balance method, std::span<const std::unique_ptr<Server>> servers)
    : method_(method) {
  for (const std::unique_ptr<Server>& server : servers) all_.push_back(server.get());
  if (method != config::Upstream::Balance::hash) return;
  for (const std::unique_ptr<Server>& server : servers) {
    uint64_t seed = stable_hash(server->name());
    for (uint64_t i = 0; i < uint64_t{kPointsPerWeight} * server->settings().weight; ++i) {
      std::string_view number(reinterpret_cast<const char*>(&i), sizeof i);
      ring_.push_back({stable_hash(number, seed), server.get()});
    }
  }
  std::sort(ring_.begin(), ring_.end(), [](const Point& a, const Point& b) { return a.place < b.place; });
}

Server* Balancer::pick(std::span<Server* const> usable, uint64_t hash) {
  switch (method_) {
    case config::Upstream::Balance::round_robin:
      return round_robin(usable);
    case config::Upstream::Balance::least_conn:
      return least_connections(usable);
    case config::Upstream::Balance::p2c:
      return power_of_two(usable);
    case config::Upstream::Balance::hash:
      return on_ring(usable, hash);
  }
  return usable.front();
}

Server* Balancer::round_robin(std::span<Server* const> usable) {
  return next_in_turn(usable, [](const Server&) { return true; });
}

Server* Balancer::least_connections(std::span<Server* const> usable) {
  const Server* best = usable.front();
  for (Server* server : usable.subspan(1)) {
    if (less_loaded(*server, *best)) best = server;
  }
  // Among equals the turn goes round, or an idle group would send everything to its first server.
  return next_in_turn(usable, [best](const Server& server) { return !less_loaded(*best, server); });
}

// Two different ones. REQUIRES: there are two.
std::pair<Server*, Server*> Balancer::two_of(std::span<Server* const> servers) {
  size_t first = random_.below(servers.size());
  size_t second = random_.below(servers.size() - 1);
  if (second >= first) ++second;
  return {servers[first], servers[second]};
}

Server* Balancer::power_of_two(std::span<Server* const> usable) {
  if (usable.size() == 1) return usable.front();
  auto [first, second] = two_of(usable);
  return less_loaded(*second, *first) ? second : first;
}

std::vector<Balancer::Point>::const_iterator Balancer::place_on_ring(uint64_t hash) const {
  return std::lower_bound(ring_.begin(), ring_.end(), hash,
                          [](const Point& point, uint64_t place) { return point.place < place; });
}

Server* Balancer::on_ring(std::span<Server* const> usable, uint64_t hash) const {
  auto point = place_on_ring(hash);
  for (size_t i = 0; i < ring_.size(); ++i, ++point) {
    if (point == ring_.end()) point = ring_.begin();
    if (std::find(usable.begin(), usable.end(), point->server) != usable.end()) return point->server;
  }
  return usable.front();
}

}  // namespace banyan::upstream
