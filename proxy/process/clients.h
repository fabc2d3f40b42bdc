// The clients' connections that one front answers: in a worker all of them, in the controller those of one
// admin door.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <unordered_map>

#include "exchange/front.h"
#include "http/h1_inbound.h"
#include "http/h1_stream.h"
#include "net/stream.h"
#include "shm/in_flight.h"

namespace banyan::process {

class Clients final : private http::InboundOwner {
 public:
  class Observer {
   public:
    // There is one connection less (or more). From the loop, or inside add().
    virtual void on_clients_changed() = 0;

   protected:
    ~Observer() = default;
  };

  // All outlive it.
  Clients(event::Loop& loop, BufferPools& buffers, exchange::Front& front, Observer& observer)
      : loop_(loop), streams_(loop, buffers), front_(front), observer_(observer) {}
  ~Clients();
  Clients(const Clients&) = delete;
  Clients& operator=(const Clients&) = delete;

  // Takes over a connection that was just accepted.
  // `ticket` is given back when it ends.
  void add(std::unique_ptr<net::Stream> stream, const net::IpAddress& peer, uint16_t local_port,
           shm::InFlight::Ticket ticket = {});
  size_t count() const { return connections_.size(); }
  // Ends all gracefully, or at once; on_clients_changed() tells of each.
  void drain();
  void cut();
  // Ends up to `count` that are idle.
  void retire(size_t count);

 private:
  void on_connection_closed(http::H1Inbound& connection) override;

  event::Loop& loop_;
  http::H1StreamPool streams_;
  exchange::Front& front_;
  Observer& observer_;
  struct Client {
    std::unique_ptr<http::H1Inbound> connection;
    shm::InFlight::Ticket ticket;
  };
  std::unordered_map<http::H1Inbound*, Client> connections_;
  uint64_t last_id_ = 0;
};

}  // namespace banyan::process
