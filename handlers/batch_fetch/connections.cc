#include "handlers/batch_fetch/connections.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "event/loop.h"
#include "net/connect_socket.h"

namespace banyan::handlers {

Connections::Connections(handler::Services& services, config::Address address, const net::TlsContext* tls,
                         std::string server_name, const http::OutboundSettings& settings, Callback on_ready)
    : services_(services),
      address_(std::move(address)),
      tls_(tls),
      server_name_(std::move(server_name)),
      settings_(settings),
      on_ready_(on_ready),
      expiry_(services.loop, Callback::to<&Connections::on_expiry>(this)) {
  if (address_.kind == config::Address::Kind::name) return;
  answered_ = true;
  Result<net::SocketAddress> literal = net::SocketAddress::make(address_);
  if (literal.ok()) {
    addresses_.push_back(*literal);
  } else {
    problem_ = literal.error();
  }
}

Connections::~Connections() {
  for (auto& connection : idle_) close(std::move(connection));
}

bool Connections::ready() {
  if (address_.kind != config::Address::Kind::name) return true;
  const TimePoint now = services_.loop.now();
  if (!question_ && (!answered_ || now - asked_ > (addresses_.empty() ? Millis(1000) : kRefresh))) ask();
  return answered_;
}

void Connections::ask() {
  asked_ = services_.loop.now();
  question_ = services_.resolver.resolve(address_.host, *this);
}

void Connections::on_resolved(const Result<net::Resolver::Addresses>& answer) {
  if (answer.ok()) {
    addresses_.clear();
    for (const net::IpAddress& ip : *answer) {
      addresses_.push_back(net::SocketAddress::of_ip(net::IpAddress::of_bytes(ip.bytes(), address_.port)));
    }
  } else {
    problem_ = answer.error();
  }
  question_.reset();
  if (!std::exchange(answered_, true)) on_ready_();
}

Result<std::unique_ptr<http::H1Outbound>> Connections::take() {
  while (!idle_.empty()) {
    std::unique_ptr<http::H1Outbound> connection = std::move(idle_.back());
    idle_.pop_back();
    connection->keep(nullptr);
    if (services_.loop.now() - connection->idle_since() < idle_limit(*connection)) return connection;
    close(std::move(connection));
  }
  return take_new();
}

Result<std::unique_ptr<http::H1Outbound>> Connections::take_new() {
  if (addresses_.empty()) return problem_;
  const net::SocketAddress& address = addresses_[next_address_++ % addresses_.size()];
  Result<int> fd = net::open_connecting_socket(address);
  if (!fd.ok()) return std::move(fd).error();
  std::unique_ptr<net::Stream> stream =
      tls_ ? net::make_tls_client_stream(services_.loop, *fd, *tls_, server_name_)
           : net::make_plain_stream(services_.loop, *fd);
  return std::make_unique<http::H1Outbound>(services_.loop, services_.buffers, std::move(stream), address,
                                            settings_);
}

void Connections::give_back(std::unique_ptr<http::H1Outbound> connection) {
  if (!connection->reusable() || idle_limit(*connection) <= Millis(0)) return close(std::move(connection));
  connection->keep(this);
  idle_.push_back(std::move(connection));
  if (!expiry_.running()) expiry_.start(kExpiryStep);
}

// It may be in the middle of one of its own notices: it dies at the end of the turn.
void Connections::close(std::unique_ptr<http::H1Outbound> connection) {
  connection->keep(nullptr);
  services_.loop.dispose(std::move(connection));
}

Millis Connections::idle_limit(const http::H1Outbound& connection) const {
  if (!connection.announced_idle()) return kIdle;
  return std::clamp(*connection.announced_idle() - kMargin, Millis(0), kIdle);
}

void Connections::on_idle_closed(http::H1Outbound& connection) {
  auto found =
      std::find_if(idle_.begin(), idle_.end(), [&](const auto& kept) { return kept.get() == &connection; });
  CHECK(found != idle_.end());
  std::unique_ptr<http::H1Outbound> closed = std::move(*found);
  idle_.erase(found);
  close(std::move(closed));
}

void Connections::on_expiry() {
  const TimePoint now = services_.loop.now();
  std::erase_if(idle_, [&](auto& connection) {
    if (now - connection->idle_since() < idle_limit(*connection)) return false;
    close(std::move(connection));
    return true;
  });
  if (!idle_.empty()) expiry_.start(kExpiryStep);
}

}  // namespace banyan::handlers
