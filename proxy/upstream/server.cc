#include "upstream/server.h"

#include <algorithm>

namespace banyan::upstream {

Server::Server(const config::Server& settings, uint32_t number, const shm::Segment& segment,
               shm::Counters& counters)
    : settings_(settings),
      name_(settings.address.text()),
      number_(number),
      segment_(segment),
      active_gauge_(counters.counter(shm::Metric::upstream_connections_active, number)),
      idle_gauge_(counters.counter(shm::Metric::upstream_connections_idle, number)),
      ejection_counter_(counters.counter(shm::Metric::upstream_ejections, number)) {}

void Server::begin_request() {
  ++active_;
  active_gauge_.add();
}

void Server::end_request() {
  --active_;
  active_gauge_.subtract();
}

void Server::count_idle(int change) { change > 0 ? idle_gauge_.add() : idle_gauge_.subtract(); }

bool Server::allowed() const {
  return shm::server_order(segment_, number_) == shm::ServerOrder::up &&
         shm::server_health(segment_, number_) != shm::ServerHealth::unhealthy;
}

bool Server::note_failure(const config::Ejection& rules, TimePoint now, bool may_eject) {
  ++failures_in_a_row_;
  if (rules.failures == 0 || failures_in_a_row_ < rules.failures || ejected(now) || !may_eject) return false;
  ++ejections_;
  failures_in_a_row_ = 0;
  ejected_until_ = now + std::min<Millis>(rules.time * ejections_, rules.time_max);
  ejection_counter_.add();
  return true;
}

void Server::note_success(const config::Ejection& rules, TimePoint now) {
  failures_in_a_row_ = 0;
  if (ejections_ > 0 && now - ejected_until_ > rules.time_max) ejections_ = 0;
}

}  // namespace banyan::upstream
