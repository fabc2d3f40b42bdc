// A worker: accepts clients on the shared listening sockets, speaks HTTP/1 with them, and lets exchanges
// answer.
//
//   Door (one for each listening socket) ─▶ Clients: H1Inbound … ── requests ─▶ Front ─▶ Exchange
//
// Draining: accept who waits in the kernel's queue already, then nobody; close idle connections, let busy
// ones end with "Connection: close", end WebSockets and event streams politely and one after the other, and
// cut what is left when the time is over. Paced (another program serves the same addresses): in the first
// half of the time whoever asks for something is told to come back on another connection; in the second half
// idle connections are closed, evenly spread.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "exchange/front.h"
#include "process/child.h"
#include "process/clients.h"
#include "process/door.h"
#include "process/overload.h"
#include "shm/in_flight.h"
#include "shm/rate_limiter.h"
#include "shm/rollout_statistics.h"

namespace banyan::process {

class Worker final : public Role,
                     private Door::Owner,
                     private Clients::Observer,
                     private exchange::AccessLog {
 public:
  explicit Worker(Child& child);
  ~Worker() override;

  void on_generation(std::shared_ptr<Generation> generation, const NamedFds& sockets) override;
  std::vector<std::string> remarks(const config::Config&) const override { return {}; }
  void on_drain(Millis time, bool paced) override;
  void on_stop() override;
  void on_second() override;
  void on_reload(const Outcome&) override {}
  void on_outcome(uint64_t, const Outcome&) override {}
  void on_kept(uint64_t, const Fd&) override {}

 private:
  void on_client(Door& door, int fd, const net::IpAddress& peer) override;
  void on_greetings_changed() override { on_clients_changed(); }
  void on_clients_changed() override;
  void write_access(std::string_view line) override;

  size_t connections() const;
  bool counts(const net::IpAddress& peer) const;
  bool too_many_handshakes(const net::IpAddress& peer);
  bool too_many_of(const net::IpAddress& peer, shm::InFlight::Ticket& ticket);
  void open_doors(const NamedFds& sockets);
  void open_or_pause();
  void close_doors_when_quiet();
  void retire_some();
  void cut_all();
  void finish_if_empty();

  Child& child_;
  event::Loop& loop_;
  shm::RateLimiter rates_;
  shm::InFlight in_flight_;
  shm::RolloutStatistics rollouts_;
  Overload overload_;
  exchange::Front front_;
  LogFile* access_log_ = nullptr;
  std::map<std::string, std::unique_ptr<Door>> doors_;
  event::Timer quiet_timer_;
  event::Timer cut_timer_;
  event::Timer pace_timer_;
  TimePoint retired_by_{};
  TimePoint closing_since_{};
  size_t most_clients_ = 0;
  uint64_t spliced_told_ = 0;
  bool full_ = false;
  bool draining_ = false;
  bool accepting_ = true;
  bool cut_ = false;
  // Destroyed first of all: the clients, and then the handlers with the connections they have taken over.
  std::shared_ptr<Generation> generation_;
  Clients clients_;
};

}  // namespace banyan::process
