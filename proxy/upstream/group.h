// A named group of servers in one worker: who gets a request, and over which connection.
//
//   idle connections (newest first) ─ lease ─▶ in use ─ take_back ─▶ idle, or closed
//   limit reached: requests wait in line for a connection (limits.pending, limits.queue)
//   too many failures: the circuit breaker, which all workers share, lets nothing through for a while
//
// A group outlives reloads that do not change it, so its connections do.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/random.h"
#include "base/retry_budget.h"
#include "event/loop.h"
#include "event/timer.h"
#include "http/h1_outbound.h"
#include "net/resolver.h"
#include "net/tls_context.h"
#include "shm/breaker.h"
#include "shm/directory.h"
#include "upstream/balance.h"
#include "upstream/lease.h"

#include "upstream/server.h"

namespace banyan::upstream {

// What the worker lends its groups; outlives them.
struct Surroundings {
  event::Loop& loop;
  BufferPools& buffers;
  net::Resolver& resolver;
  const shm::Segment& segment;
  shm::Directory& directory;
  shm::Counters& counters;
  uint32_t slot;  // this worker's
};

class Group final : private http::H1Outbound::Keeper {
 public:
  // A request that waits for a connection.
  class Waiter {
   public:
    // It is this request's turn: ask for a lease again. From the loop.
    virtual void on_turn() = 0;

   protected:
    ~Waiter() = default;
  };

  // The servers already tried for one request, by their place in the group (the first 64 count).
  using Tried = uint64_t;

  // `tls` is for settings.tls and null without it.
  Group(const config::Upstream& settings, const Surroundings& here,
        std::unique_ptr<net::TlsContext> tls = nullptr);
  ~Group();
  Group(const Group&) = delete;
  Group& operator=(const Group&) = delete;

  const config::Upstream& settings() const { return settings_; }
  uint32_t number() const { return number_; }                // in the directory
  const net::TlsContext* tls() const { return tls_.get(); }  // null: plain HTTP
  std::span<const std::unique_ptr<Server>> servers() const { return servers_; }
  // False while no server may be used: all are down, by order or by probe, or their names are unknown, or the
  // breaker is open.
  bool available() const;

  // One attempt begins. Error: the breaker lets nothing through (503, with the time to try again). The pass
  // goes back with note_success, note_failure or abandon.
  Result<shm::Breaker::Pass> begin_attempt();
  bool breaker_admits() const;

  // The server for a request, or null when there is none. Ejected servers are used when nothing else is left,
  // and tried ones before nothing. A server whose max_connections are in use is chosen only when all others
  // are in the same way; lease() then says to wait. `hash` is for Balance::hash.
  Server* pick(uint64_t hash, Tried tried);
  // Names that are still being looked up for the first time may bring servers.
  bool still_resolving() const;
  Tried place_of(const Server& server) const;

  // An idle connection to the server that began with this PROXY header (empty: with none), or a new one.
  // Null: as many as allowed are open; wait in line. Error: the connection could not even be begun.
  Result<std::optional<Lease>> lease(Server& server, const std::string& proxy_header);
  // A connection of the server's that was not used before, for a retry after a stale one.
  Result<std::optional<Lease>> lease_new(Server& server, const std::string& proxy_header);
  // False when the line is full.
  bool wait(Waiter& waiter);
  void stop_waiting(Waiter& waiter);

  // Without a pass (the attempt has told once) only the server's own record changes.
  void note_failure(Server& server, const std::optional<shm::Breaker::Pass>& pass);
  void note_success(Server& server, const shm::Breaker::Pass& pass);
  void abandon(const shm::Breaker::Pass& pass);
  // An answer of the server's came: heeds its Retry-After, if the status is one that is heeded.
  void note_answer(Server& server, const http::ResponseHead& head);
  // There is a server left for a request that was tried on those.
  bool has_untried(Tried tried) const;
  RetryBudget& retry_budget() { return retry_budget_; }
  Random& random() { return random_; }
  const Surroundings& here() const { return here_; }

 private:
  friend class Lease;
  class NameWatch;
  void take_back(Server& server, std::unique_ptr<http::H1Outbound> connection);
  void on_idle_closed(http::H1Outbound& connection) override;
  std::unique_ptr<http::H1Outbound> take_idle(Server& server, const std::string& proxy_header);
  bool make_room();
  void close_oldest_idle(Server& server);
  void close(std::unique_ptr<http::H1Outbound> connection);
  Millis idle_limit(const http::H1Outbound& connection) const;
  void on_expiry();
  void serve_line();
  bool place_free() const;
  bool may_eject(const Server& server) const;
  std::unique_ptr<net::Stream> make_stream(Server& server, int fd);
  void note(const shm::Breaker::Pass& pass, bool good);
  Result<std::optional<Lease>> connect(Server& server, const std::string& proxy_header);
  void find_addresses(Server& server);
  bool is_usable(Server& server, bool backup, bool even_ejected);
  bool find_usable(Tried tried, bool backup, bool even_ejected);

  config::Upstream settings_;
  Surroundings here_;
  std::unique_ptr<net::TlsContext> tls_;
  uint32_t number_;
  http::OutboundSettings outbound_;
  std::vector<std::unique_ptr<Server>> servers_;
  std::vector<std::unique_ptr<NameWatch>> names_;  // of the servers that have one
  Balancer balancer_;
  RetryBudget retry_budget_;
  Random random_;
  std::optional<shm::Breaker> breaker_;
  std::vector<Server*> usable_;  // of the pick under way; kept for its memory
  size_t open_connections_ = 0;
  std::deque<Waiter*> line_;
  Waiter* turn_ = nullptr;        // whose turn it is just now
  bool limited_servers_ = false;  // some have max_connections
  event::Timer expiry_;
  event::Deferred line_notice_;
  event::Timer line_timer_;  // other workers do not tell that they gave a place back
  shm::Counter pending_gauge_;
};

}  // namespace banyan::upstream
