// Whether a server accepts connections: opens one, sends a PROXY header if it is to have one, and closes it.
// A name is looked up first, and its addresses are tried in turn.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "config/values.h"
#include "event/deferred.h"
#include "event/timer.h"
#include "net/resolver.h"
#include "net/stream.h"

namespace banyan::control {

class TcpProbe final : private net::Stream::Listener, private net::Resolver::Listener {
 public:
  class Listener {
   public:
    // The outcome, once, from the loop. May destroy the probe.
    virtual void on_probed(const Result<void>& result) = 0;

   protected:
    ~Listener() = default;
  };

  // Begins at once; destroying it ends it. Loop, resolver and listener outlive it. `timeout` is for all of
  // it.
  TcpProbe(event::Loop& loop, net::Resolver& resolver, const config::Address& address,
           std::string proxy_header, Millis timeout, Listener& listener);
  ~TcpProbe();

  // The connection, which goes with the probe. REQUIRES: on_probed() told of success.
  int socket() const { return stream_->fd(); }

 private:
  void on_resolved(const Result<net::Resolver::Addresses>& answer) override;
  void on_readable() override {}
  void on_writable() override;
  void on_timeout();
  void try_next();
  void tell();
  void finish(Result<void> result);

  event::Loop& loop_;
  Listener& listener_;
  config::Address address_;
  std::string proxy_header_;
  std::unique_ptr<net::Resolver::Question> question_;
  std::vector<net::SocketAddress> addresses_;
  size_t next_ = 0;
  std::unique_ptr<net::Stream> stream_;
  Result<void> result_;
  event::Timer timer_;
  event::Deferred notice_;
};

}  // namespace banyan::control
