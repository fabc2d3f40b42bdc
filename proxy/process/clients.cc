#include "process/clients.h"

#include "base/check.h"
#include "base/log.h"

namespace banyan::process {

// What is still open at the end of the process is in the graveyard now, and has to die before the front.
Clients::~Clients() {
  if (connections_.empty()) return;
  connections_.clear();
  event::Deferred now(loop_, Callback::to<&event::Loop::stop>(&loop_));
  now.schedule();
  loop_.turn();
}

void Clients::add(std::unique_ptr<net::Stream> stream, const net::IpAddress& peer, uint16_t local_port,
                  shm::InFlight::Ticket ticket) {
  http::ConnectionInfo info{.peer = peer, .local_port = local_port, .id = ++last_id_};
  auto connection = std::make_unique<http::H1Inbound>(
      loop_, streams_, front_, static_cast<http::InboundOwner&>(*this), std::move(stream), info);
  if (!connection->start()) {
    LOG(warn, "a new connection cannot be watched: out of memory or watches");
    return;
  }
  http::H1Inbound* key = connection.get();
  connections_.emplace(key, Client{std::move(connection), std::move(ticket)});
  observer_.on_clients_changed();
}

void Clients::drain() {
  for (auto& [key, client] : connections_) client.connection->drain();
}

void Clients::retire(size_t count) {
  for (auto& [key, client] : connections_) {
    if (count == 0) return;
    if (client.connection->retire()) --count;
  }
}

void Clients::cut() {
  for (auto& [key, client] : connections_) client.connection->shutdown();
}

void Clients::on_connection_closed(http::H1Inbound& connection) {
  auto found = connections_.find(&connection);
  CHECK(found != connections_.end());
  loop_.dispose(std::move(found->second.connection));
  connections_.erase(found);
  observer_.on_clients_changed();
}

}  // namespace banyan::process
