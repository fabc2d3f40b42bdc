#include "upstream/server.h"

#include <algorithm>

namespace banyan::upstream {
namespace {

// A slow start begins with a tenth: with less, a server among many would see no request for long.
constexpr int64_t kLeast = 10;

shm::Ejections::Rules rules_of(const config::Ejection& rules) {
  return {rules.failures, rules.time, rules.time_max};
}

}  // namespace

Server::Server(const config::Server& settings, uint32_t number, const shm::Segment& segment,
               shm::Counters& counters, uint32_t slot)
    : share_(settings.weight * kUnit),
      segment_(segment),
      number_(number),
      ejections_(segment, number),
      settings_(settings),
      name_(settings.address.text()),
      load_(segment, slot, number),
      active_gauge_(counters.counter(shm::Metric::upstream_connections_active, number)),
      idle_gauge_(counters.counter(shm::Metric::upstream_connections_idle, number)),
      ejection_counter_(counters.counter(shm::Metric::upstream_ejections, number)) {}

bool Server::begin_request() {
  if (limit() > 0 && !load_.enter(limit())) return false;
  ++active_;
  active_gauge_.add();
  return true;
}

void Server::end_request() {
  if (limit() > 0) load_.leave();
  --active_;
  active_gauge_.subtract();
}

void Server::count_idle(int change) { change > 0 ? idle_gauge_.add() : idle_gauge_.subtract(); }

bool Server::note_failure(const config::Ejection& rules, TimePoint now, bool may_eject) {
  if (!ejections_.note_failure(rules_of(rules), now, may_eject)) return false;
  ejection_counter_.add();
  return true;
}

void Server::note_success(const config::Ejection& rules, TimePoint now) {
  ejections_.note_success(rules_of(rules), now);
}

// Linear in time, as HAProxy's slowstart.
void Server::start_slowly(TimePoint now, Millis slow_start) {
  TimePoint since = ejections_.until();
  if (auto recovered = shm::server_recovered(segment_, number_)) since = std::max(since, *recovered);
  if (since == TimePoint{} || now - since >= slow_start) return;
  const int64_t passed = std::max<int64_t>(std::chrono::duration_cast<Millis>(now - since).count(), 0);
  share_ = std::max(share_ * passed / slow_start.count(), share_ / kLeast);
}

}  // namespace banyan::upstream
