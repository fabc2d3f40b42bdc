// One server of a group, as one worker knows it: address, load, passive health, idle connections.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "config/schema.h"
#include "http/h1_outbound.h"
#include "net/ip_address.h"
#include "shm/counters.h"
#include "shm/servers.h"

namespace banyan::upstream {

class Server {
 public:
  // `number` is the server's in the directory; segment and counters outlive it.
  Server(const config::Server& settings, uint32_t number, const shm::Segment& segment,
         shm::Counters& counters);

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
  void begin_request();
  void end_request();

  // No order of the operator and no probe speaks against it.
  bool allowed() const;
  bool ejected(TimePoint now) const { return now < ejected_until_; }

  // What a request showed. Ejection needs `failures` of them in a row; returns true when the server is now
  // ejected.
  bool note_failure(const config::Ejection& rules, TimePoint now, bool may_eject);
  void note_success(const config::Ejection& rules, TimePoint now);

  // Connections nobody uses, the oldest first.
  std::vector<std::unique_ptr<http::H1Outbound>>& idle() { return idle_; }
  void count_idle(int change);

  int round_robin_credit = 0;  // for balance

 private:
  config::Server settings_;
  std::string name_;
  uint32_t number_;
  const shm::Segment& segment_;
  std::vector<net::SocketAddress> addresses_;
  size_t next_address_ = 0;
  uint32_t active_ = 0;
  uint32_t failures_in_a_row_ = 0;
  uint32_t ejections_ = 0;
  TimePoint ejected_until_{};
  std::vector<std::unique_ptr<http::H1Outbound>> idle_;
  shm::Counter active_gauge_;
  shm::Counter idle_gauge_;
  shm::Counter ejection_counter_;
};

}  // namespace banyan::upstream
