// Kept connections to one endpoint of a store, for GETs one after the other on each.
//
//   take() ─▶ the connection used last, or a new one ─▶ a GET ─▶ give_back() ─▶ kept, or closed
//
// There is no limit here: the delegator starts no more fetches than it has slots.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "config/values.h"
#include "event/timer.h"
#include "handler/type.h"
#include "http/h1_outbound.h"
#include "net/ip_address.h"
#include "net/resolver.h"
#include "net/tls_context.h"

namespace banyan::handlers {

class Connections final : http::H1Outbound::Keeper, net::Resolver::Listener {
 public:
  // Services, settings and `tls` (null: plain) must outlive it and its connections. With TLS the certificate
  // must be for `server_name`. `on_ready` is called from the loop when ready() becomes true.
  Connections(handler::Services& services, config::Address address, const net::TlsContext* tls,
              std::string server_name, const http::OutboundSettings& settings, Callback on_ready);
  ~Connections();
  Connections(const Connections&) = delete;
  Connections& operator=(const Connections&) = delete;

  // False while the name is being looked up for the first time; asking begins the look-up.
  bool ready();
  // REQUIRES: ready(). An error when the name is not known, or the kernel refuses.
  Result<std::unique_ptr<http::H1Outbound>> take();
  // One that was not used before, for what failed on a kept one.
  Result<std::unique_ptr<http::H1Outbound>> take_new();
  // REQUIRES: release() was called. May be called from the connection's own notices.
  void give_back(std::unique_ptr<http::H1Outbound> connection);
  size_t idle() const { return idle_.size(); }

 private:
  // How often a name is looked up again; how long connections nobody uses are kept at most, and how long
  // before the end that the server announced they are given up.
  static constexpr Millis kRefresh{30'000};
  static constexpr Millis kIdle{55'000};
  static constexpr Millis kMargin{1'000};
  static constexpr Millis kExpiryStep{500};

  void on_resolved(const Result<net::Resolver::Addresses>& answer) override;
  void on_idle_closed(http::H1Outbound& connection) override;
  void ask();
  void close(std::unique_ptr<http::H1Outbound> connection);
  Millis idle_limit(const http::H1Outbound& connection) const;
  void on_expiry();

  handler::Services& services_;
  const config::Address address_;
  const net::TlsContext* tls_;
  const std::string server_name_;
  const http::OutboundSettings& settings_;
  Callback on_ready_;
  std::vector<net::SocketAddress> addresses_;
  size_t next_address_ = 0;
  std::unique_ptr<net::Resolver::Question> question_;
  TimePoint asked_{};
  Error problem_;  // when there are no addresses
  bool answered_ = false;
  std::vector<std::unique_ptr<http::H1Outbound>> idle_;  // the one used last at the end
  event::Timer expiry_;
};

}  // namespace banyan::handlers
