#include "control/tcp_probe.h"

#include <cerrno>
#include <utility>

#include "event/loop.h"
#include "net/connect_socket.h"
#include "net/proxy_protocol.h"

namespace banyan::control {

TcpProbe::TcpProbe(event::Loop& loop, net::Resolver& resolver, const config::Address& address,
                   std::string proxy_header, Millis timeout, Listener& listener)
    : loop_(loop),
      listener_(listener),
      address_(address),
      proxy_header_(std::move(proxy_header)),
      timer_(loop, Callback::to<&TcpProbe::on_timeout>(this)),
      notice_(loop, Callback::to<&TcpProbe::tell>(this)) {
  timer_.start(timeout);
  if (address_.kind == config::Address::Kind::name) {
    question_ = resolver.resolve(address_.host, *this);
    return;
  }
  Result<net::SocketAddress> literal = net::SocketAddress::make(address_);
  if (!literal) {
    finish(std::move(literal).error());
    return;
  }
  addresses_.push_back(*literal);
  try_next();
}

TcpProbe::~TcpProbe() = default;

void TcpProbe::on_resolved(const Result<net::Resolver::Addresses>& answer) {
  if (!answer) return finish(answer.error());
  for (const net::IpAddress& ip : *answer) {
    addresses_.push_back(net::SocketAddress::of_ip(net::IpAddress::of_bytes(ip.bytes(), address_.port)));
  }
  try_next();
}

void TcpProbe::try_next() {
  const net::SocketAddress& address = addresses_[next_++];
  Result<int> fd = net::open_connecting_socket(address);
  if (!fd) {
    if (next_ < addresses_.size()) return try_next();
    return finish(std::move(fd).error());
  }
  stream_ = net::make_plain_stream(loop_, *fd);
  if (!stream_->start(*this)) return finish(net::connect_error(address, ENOMEM));
  stream_->want_write();
}

void TcpProbe::on_writable() {
  int error_number = net::take_connect_error(stream_->fd());
  if (error_number == 0 && !proxy_header_.empty()) {
    error_number = net::send_proxy_header(stream_->fd(), proxy_header_);
  }
  if (error_number == 0) return finish({});
  if (next_ < addresses_.size()) return try_next();
  finish(net::connect_error(addresses_.back(), error_number));
}

void TcpProbe::on_timeout() { finish(upstream_error(504, "connection_timeout", "accepts no connection")); }

// The listener may destroy this, so it is told when nothing of it runs.
void TcpProbe::finish(Result<void> result) {
  result_ = std::move(result);
  timer_.stop();
  notice_.schedule();
}

void TcpProbe::tell() { listener_.on_probed(result_); }

}  // namespace banyan::control
