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

namespace banyan::handler {

// Who sent the request, after trusted proxies were looked through.
struct Client {
  std::string_view ip;  // "192.0.2.1" or "2001:db8::1"; "unix" on unix sockets
  uint16_t port = 0;
  bool tls = false;
  bool trusted = false;  // the peer is in trusted_proxies
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

// One request in a handler's hands. Used on the loop's thread only; outlives its Session.
class Call {
 public:
  // As the client sent it.
  virtual const http::RequestHead& request() const = 0;
  // As the target is to see it: path rewritten, field rules applied, X-Forwarded-* and the like added,
  // hop-by-hop fields gone. Built on first use; lives as long as the call.
  virtual const http::RequestHead& outbound() = 0;
  virtual const Client& client() const = 0;
  // When the request head arrived, and when the answer must be over (TimePoint::max(): no limit).
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
  // The response body; write after respond().
  virtual http::BodyWriter& response_body() = 0;
  // Gives up: an error page before respond(), a broken-off response after it. At most once; the session may
  // be destroyed later in the same turn.
  virtual void fail(Error error) = 0;

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
  // An operator's order, given to the controller's handler, for all workers at once. Error: it keeps nothing.
  virtual Result<void> purge(const Purge&) { return client_error(409, "this handler keeps nothing"); }
};

// Answers a call with a whole body at once: sets Content-Length, respects HEAD. For small answers; `body` is
// copied into blocks of `buffers`.
void answer(Call& call, BufferPools& buffers, http::ResponseHead head, std::string_view body);

}  // namespace banyan::handler
