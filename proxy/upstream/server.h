// One server of a group, as one worker knows it: address, load, health, share of the traffic, idle
// connections. What the workers have in common (orders, ejections, requests under its limit) is in shared
// memory.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "config/schema.h"
#include "http/h1_outbound.h"
#include "net/ip_address.h"
#include "net/tls_context.h"
#include "shm/counters.h"
#include "shm/servers.h"

namespace banyan::upstream {

class Server {
 public:
  // `number` is the server's in the directory, `slot` this worker's; segment and counters outlive it.
  Server(const config::Server& settings, uint32_t number, const shm::Segment& segment,
         shm::Counters& counters, uint32_t slot);

  const std::string& name() const { return name_; }  // "127.0.0.1:3000"
  const config::Server& settings() const { return settings_; }
  uint32_t number() const { return number_; }

  // The addresses connections go to, in turn; empty while a name was not resolved.
  void set_addresses(std::vector<net::SocketAddress> addresses) { addresses_ = std::move(addresses); }
  bool has_address() const { return !addresses_.empty(); }
  // REQUIRES: has_address().
  const net::SocketAddress& next_address() { return addresses_[next_address_++ % addresses_.size()]; }

  // Requests under way in this worker.
  uint32_t active() const { return active_; }
  // Its max_connections are in use, over all workers.
  bool full() const { return limit() > 0 && load_.full(limit()); }
  // False when it is full.
  bool begin_request();
  void end_request();

  // No order of the operator and no probe speaks against it.
  bool allowed() const {
    return shm::server_order(segment_, number_) == shm::ServerOrder::up &&
           shm::server_health(segment_, number_) != shm::ServerHealth::unhealthy;
  }
  bool ejected(TimePoint now) const { return ejections_.ejected(now); }

  // What a request showed. Ejection needs `failures` of them in a row, in all workers together; returns true
  // when this one ejected the server.
  bool note_failure(const config::Ejection& rules, TimePoint now, bool may_eject);
  void note_success(const config::Ejection& rules, TimePoint now);
  // It asks to be left alone up to that time. True if it was not ejected before.
  bool set_aside(TimePoint now, TimePoint until) { return ejections_.set_aside(now, until); }

  // Its part of the traffic against that of the others, never 0: the weight, less while it starts slowly.
  int64_t share() const { return share_; }
  void update_share(TimePoint now, Millis slow_start) {
    share_ = settings_.weight * kUnit;
    if (slow_start.count() > 0) start_slowly(now, slow_start);
  }

  // What the next TLS connection resumes.
  const std::shared_ptr<net::TlsSession>& tls_session() const { return tls_session_; }

  // Connections nobody uses, the oldest first.
  std::vector<std::unique_ptr<http::H1Outbound>>& idle() { return idle_; }
  void count_idle(int change);

  int64_t round_robin_credit = 0;  // for balance

 private:
  // Of a share; a weight is so many of them, so that a slow start has steps.
  static constexpr int64_t kUnit = 1000;

  void start_slowly(TimePoint now, Millis slow_start);
  uint32_t limit() const { return settings_.max_connections; }

  // First what every choice among many servers looks at, so that it is in few lines of the cache.
  int64_t share_;
  const shm::Segment& segment_;
  uint32_t number_;
  uint32_t active_ = 0;
  shm::Ejections ejections_;
  std::vector<net::SocketAddress> addresses_;
  config::Server settings_;
  std::string name_;
  size_t next_address_ = 0;
  shm::ServerLoad load_;
  std::shared_ptr<net::TlsSession> tls_session_ = std::make_shared<net::TlsSession>();
  std::vector<std::unique_ptr<http::H1Outbound>> idle_;
  shm::Counter active_gauge_;
  shm::Counter idle_gauge_;
  shm::Counter ejection_counter_;
};

}  // namespace banyan::upstream
