// The use of one connection for one exchange: from Group::lease() to destruction, which gives it back to the
// pool or closes it.
#pragma once

#include <memory>
#include <utility>

#include "http/h1_outbound.h"

namespace banyan::upstream {

class Group;
class Server;

class Lease {
 public:
  Lease() = default;
  // REQUIRES: server.begin_request() was granted; the lease ends that request.
  Lease(Group& group, Server& server, std::unique_ptr<http::H1Outbound> connection);
  Lease(Lease&& other) noexcept { *this = std::move(other); }
  Lease& operator=(Lease&& other) noexcept {
    std::swap(group_, other.group_);
    std::swap(server_, other.server_);
    connection_.swap(other.connection_);
    return *this;
  }
  ~Lease() { end(); }

  explicit operator bool() const { return connection_ != nullptr; }
  http::H1Outbound& connection() { return *connection_; }
  Server& server() { return *server_; }
  // Gives the connection back now. May be called from the connection's own notices.
  void end();

 private:
  Group* group_ = nullptr;
  Server* server_ = nullptr;
  std::unique_ptr<http::H1Outbound> connection_;
};

}  // namespace banyan::upstream
