// One door of the admin API in the controller: a listening socket, its connections, and the API behind them
// as the only route there is. What is asked here is no traffic: it is counted and logged nowhere.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "admin/api.h"
#include "exchange/front.h"
#include "process/clients.h"
#include "process/door.h"
#include "route/router.h"
#include "shm/counters.h"
#include "shm/in_flight.h"
#include "shm/rate_limiter.h"
#include "shm/rollout_statistics.h"

namespace banyan::process {

class AdminDoor final : private Door::Owner, private exchange::AccessLog {
 public:
  struct Surroundings {
    event::Loop& loop;
    BufferPools& buffers;
    shm::Segment& scratch;  // for counters that nobody reads
    admin::Api& api;
  };

  // Open at once. `fd` stays the caller's.
  AdminDoor(const Surroundings& here, int fd, const std::string& address);
  ~AdminDoor();

  // A unix socket, whose permissions say who may connect: it needs no token.
  bool local() const { return local_; }
  // REQUIRES: !local(). The token that the requests from now on need; until then all are refused.
  void set_token(const std::string& token);

 private:
  class Target;
  class Entrance;

  void on_client(Door& door, int fd, const net::IpAddress& peer) override;
  Entrance& entrance(const std::string& name);
  void write_access(std::string_view) override {}

  event::Loop& loop_;
  BufferPools& buffers_;
  admin::Api& api_;
  bool local_;
  std::string name_;                  // for journal and history
  std::optional<std::string> token_;  // none: nobody needs one; "": nobody has the right one
  shm::Counters counters_;
  shm::RateLimiter rates_;
  shm::InFlight in_flight_;
  shm::RolloutStatistics rollouts_;
  // By name: on a unix socket one for each user, since an order says whose it is.
  std::map<std::string, std::unique_ptr<Entrance>> entrances_;
  Door door_;
};

}  // namespace banyan::process
