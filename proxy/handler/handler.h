// The plug-in interface: a target of a route is a Handler. Forwarding to an upstream is one, answering in
// process is one, the admin API is one.
//
//   Exchange ── open(call) ─▶ Handler ──▶ Session      one per request, destroyed exactly once
//            ◀── respond(head), response_body(), fail() ──
//
// A handler that answers at once calls respond() and writes the body inside open() and returns null.
// Otherwise it returns a Session that holds what the answer still needs; when the call ends for whatever
// reason (answered, client gone, deadline), the session is destroyed and must not touch the call any more.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/result.h"
#include "http/body_pipe.h"
#include "http/head.h"
#include "net/ip_address.h"
#include "net/stream.h"

namespace banyan::handler {

// Who sent the request, after trusted proxies were looked through.
struct Client {
  std::string_view ip;  // "192.0.2.1" or "2001:db8::1"; "unix" on unix sockets
  uint16_t port = 0;
  bool tls = false;
  bool trusted = false;  // the peer is in trusted_proxies
  // The subject of the certificate that the peer itself showed ("CN=alice,O=Example"); empty: none.
  std::string_view subject;
  net::IpAddress address;  // ip and port as a value
};

// What a handler has to say for the access log and the metrics. Texts must outlive the call (configuration,
// static).
struct Notes {
  std::string_view upstream_address;
  int upstream_status = 0;
  int retries = 0;
  std::optional<Duration> connect_time;                        // new connections only
  std::optional<Duration> header_time;                         // until the response head
  std::optional<Duration> response_time;                       // until the response's end
  std::vector<std::pair<std::string_view, uint64_t>> numbers;  // further log fields: "keys", 100
};

// When a request may be sent a second time: never, if its method is idempotent (RFC 9110 section 9.2.2), or
// always.
enum class Retry { off, idempotent, always };

// A handler's stay on a connection that was handed over to it: as long as it lives, the connection counts as
// one of the process, of its client's limits, and of its rollout. Destroy it together with the stream.
class Tenure {
 public:
  virtual ~Tenure() = default;
  // `run` will be called once, from the loop, if the rollout moves this client to its other side: the
  // connection is to be ended politely then, so that the client comes back. Its object must live as long as
  // the tenure.
  virtual void listen_moved(Callback run) = 0;
};

struct Connection {
  // Started already: hand_to() a listener, then read() at once.
  std::unique_ptr<net::Stream> stream;
  // What the client sent behind its request and was read with it; comes before what the stream gives.
  std::string received;
  std::unique_ptr<Tenure> tenure;
};

// Who takes over a connection, see Call::hand_over().
class Taker {
 public:
  // From the loop, once. The session of the call is destroyed when this returns.
  virtual void take(Connection connection) = 0;

 protected:
  ~Taker() = default;
};

class Handler;

// One request in a handler's hands. Used on the loop's thread only; outlives its Session.
class Call {
 public:
  // As the client sent it.
  virtual const http::RequestHead& request() const = 0;
  // As the target is to see it: path rewritten, field rules applied, X-Forwarded-* and the like added,
  // hop-by-hop fields gone. Built on first use; lives as long as the call.
  virtual const http::RequestHead& outbound() = 0;
  virtual const Client& client() const = 0;
  // Where its connection ends, this side of it; nobody when that is not known.
  virtual net::IpAddress local_address() const { return {}; }
  // How request().path begins by the route's own path: "/live/" for "/live/*", all of it for an exact one,
  // nothing for a regular expression.
  virtual std::string_view mount() const { return {}; }
  // When the request head arrived, and when the answer must be over (TimePoint::max(): no limit); before
  // respond(), on the native side of a rollout whose legacy may stand in, when it must have begun.
  virtual TimePoint arrived() const = 0;
  virtual TimePoint deadline() const = 0;

  // Left unread, it slows the client down. Asking for it sends "100 Continue" to a client that waits for one,
  // unless leave_continue_to_me() was called.
  virtual http::BodyReader& request_body() = 0;
  // The handler relays the upstream's own 100, as interim().
  virtual void leave_continue_to_me() = 0;

  // An informational response (1xx but 101).
  virtual void interim(const http::ResponseHead& head) = 0;
  // The final response head; call once. 101 turns both bodies into a tunnel. `head` is copied where needed.
  virtual void respond(const http::ResponseHead& head) = 0;
  // Instead of respond(), for answers that last for hours while nothing happens: sends the head (101, or 200,
  // whose body ends with the connection, without chunks) and gives the client's connection to `taker`, so
  // that nothing of the request need be kept in memory. The request ends with it: its line in the access log
  // is written then (HAProxy: option logasap), its deadline is over. Until take() the session lives and dies
  // as ever; when the client goes away before, take() never comes. REQUIRES: not HEAD. A request with a body
  // is refused with 400.
  virtual void hand_over(const http::ResponseHead& head, Taker& taker) = 0;
  // The response body; write after respond().
  virtual http::BodyWriter& response_body() = 0;
  // Gives up: an error page before respond(), a broken-off response after it. At most once; the session may
  // be destroyed later in the same turn.
  virtual void fail(Error error) = 0;

  // Another target of the same configuration, by "upstream.node" or "handler.x"; null for other names. Lives
  // as long as the call.
  virtual Handler* find_target(std::string_view /*name*/) { return nullptr; }

  // Whether the route allows to send the request again, see `retry` in banyan.toml(5).
  virtual Retry retry() const { return Retry::idempotent; }

  virtual Notes& notes() = 0;

 protected:
  ~Call() = default;
};

// State of one call. The destructor is the end, whatever ended it: cancel what is under way there.
class Session {
 public:
  virtual ~Session() = default;
};

// What a handler is to forget of what it keeps.
struct Purge {
  enum class What { all, key, prefix };
  What what = What::all;
  std::string text;  // the key, or how keys begin
};

// One per worker and configuration entry; used on the loop's thread only, so it needs no locks.
class Handler {
 public:
  virtual ~Handler() = default;
  // Must not block. Null: the call was answered (respond and end of body) or failed within.
  virtual std::unique_ptr<Session> open(Call& call) = 0;
  // False while every call would fail (all servers down): a rollout then leaves the share to the other side.
  virtual bool available() const { return true; }
  // The configuration it belongs to is the current one now; after succeed(). What is visible outside without
  // being asked for (connections of its own to others) begins here, not in make().
  virtual void activate() {}
  // A reload has put this handler in the place of one of the same name and type that had other options: takes
  // over what is to outlive it (connections, counters). Calls that began there go on there until they end.
  virtual void succeed(Handler& /*predecessor*/) {}
  // It will get no more calls, because its process stops or a reload has left it out: ends what lasts long
  // (connections it has taken over) within that time, spread over it.
  virtual void drain(Duration /*time*/) {}
  // An operator's order, given to the controller's handler, for all workers at once. Error: it keeps nothing.
  virtual Result<void> purge(const Purge&) { return client_error(409, "this handler keeps nothing"); }
};

// Answers a call with a whole body at once: sets Content-Length, respects HEAD. For small answers; `body` is
// copied into blocks of `buffers`.
void answer(Call& call, BufferPools& buffers, http::ResponseHead head, std::string_view body);

}  // namespace banyan::handler
