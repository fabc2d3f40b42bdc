// The client's side of the proxy, as the layer above sees it: connections open streams, a stream is one
// request and its answer. HTTP/1 has one stream at a time on a connection.
//
//   connection ── open(stream) ─▶ StreamOpener ──▶ StreamUser     owned by the stream
//              ── on_stream_end(how) ─▶ StreamUser                its last call, then it is disposed of
//              ── on_handed_over(…) ──▶ StreamUser                instead of it, after hand_over()
//   stream     ◀── interim(), respond(), response pipe ── StreamUser
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/error.h"
#include "event/deferred.h"
#include "http/body_pipe.h"
#include "http/h1_parser.h"
#include "http/head.h"
#include "net/ip_address.h"
#include "net/stream.h"

namespace banyan::http {

// Timeouts and limits towards clients; zero switches a timeout off. See [client] in banyan.toml(5).
struct InboundSettings {
  Millis handshake_timeout{10'000};  // of TLS
  Millis header_timeout{10'000};
  Millis body_timeout{30'000};
  Millis write_timeout{60'000};
  Millis keepalive_timeout{65'000};
  Millis keepalive_age{3'600'000};
  Millis tunnel_timeout{3'600'000};
  uint32_t keepalive_requests = 1000;
  uint64_t body_rate = 1024;  // bytes per second, asked for after body_rate_after
  Millis body_rate_after{60'000};
  uint64_t response_rate = 1024;  // the same for answers, while bytes wait for the client
  Millis response_rate_after{60'000};
  H1Limits limits;
};

// What is known of a client's connection.
struct ConnectionInfo {
  net::IpAddress peer;
  uint16_t local_port = 0;
  uint64_t id = 0;                // unique in the process
  std::string_view tls_protocol;  // empty: plain text
  std::string client_subject;     // of the client's certificate; empty: it showed none
  uint32_t requests = 0;          // streams opened so far
};

// How a stream ended.
enum class StreamEnd {
  complete,     // the answer went out whole
  client_gone,  // reset, or closed before the answer was complete
  client_slow,  // a timeout of the client's side
  broken_off,   // the answer could not be completed: the user's abort() or a failed response body
  shutdown,     // the process stops
};

class InboundStream {
 public:
  // Const from here on; lives until the user is disposed of.
  virtual const RequestHead& head() const = 0;
  virtual const ConnectionInfo& connection() const = 0;
  // Its own end. Asked of the kernel, since few want to know.
  virtual net::IpAddress local_address() const = 0;
  // The client's body (reader's end for the user) and the answer's (writer's end).
  virtual BodyReader& request_body() = 0;
  virtual BodyWriter& response_body() = 0;

  // The request body breaks off with a 413 error when it grows beyond. Default: no limit.
  virtual void limit_request_body(uint64_t bytes) = 0;
  // Sends "100 Continue" if the client waits for it and has not sent its body yet.
  virtual void send_continue() = 0;
  // An informational response other than 101. Not sent to HTTP/1.0 clients.
  virtual void interim(const ResponseHead& head) = 0;
  // The final response's head; once. Everything needed of it is taken before the call returns. 101 turns both
  // bodies into a tunnel; it needs a request with `upgrade`.
  virtual void respond(const ResponseHead& head) = 0;
  // Instead of respond(), for what HTTP has no further part in: sends the head, 101 or an answer of unknown
  // length that ends with the connection, and then gives the connection away: on_handed_over() follows, not
  // inside the call. The response body is not used. REQUIRES: a request without body; for 101 one with
  // `upgrade`, else not HEAD.
  virtual void hand_over(const ResponseHead& head) = 0;
  virtual bool responded() const = 0;
  // Keeps up to `limit` bytes of the request body that are read, so that it can be read a second time.
  virtual void keep_request_body(size_t limit) = 0;
  // Whether it can; and begin again, with another reader. REQUIRES for rewinding: it can.
  virtual bool can_rewind_request_body() const = 0;
  virtual void rewind_request_body() = 0;
  // Forgets what a failed attempt wrote into the response body. REQUIRES: !responded().
  virtual void restart_response_body() = 0;
  // Nothing more is to be asked for on this connection: it ends with the answer under way.
  virtual void close_after_answer() = 0;
  // Ends the connection without completing the answer; on_stream_end(broken_off) follows, not inside the
  // call.
  virtual void abort() = 0;
  // Bytes of this answer (head included) that the client's socket has taken, and of the body alone.
  virtual uint64_t bytes_sent() const = 0;
  virtual uint64_t body_bytes_sent() const = 0;
  virtual uint64_t request_bytes() const = 0;  // head and body as received so far

 protected:
  ~InboundStream() = default;
};

// What the layer above holds for a stream (the exchange).
class StreamUser : public event::Disposable {
 public:
  // The stream is over. The user must not use it any more after this call.
  virtual void on_stream_end(StreamEnd end) = 0;
  // The head that hand_over() sent is in the kernel's hands, and the connection is the user's: a started
  // stream (see net::Stream::hand_to), and what the client sent behind its request as far as it was read. The
  // user's last call, too.
  virtual void on_handed_over(std::unique_ptr<net::Stream> connection, std::string received) = 0;
};

// What a connection asks of the process it lives in.
class StreamOpener {
 public:
  // A request has arrived. Never null. May call respond() and write the body at once.
  virtual std::unique_ptr<StreamUser> open(InboundStream& stream) = 0;
  // A head that cannot be understood was answered with error.status and the connection is closing: for the
  // log. `head` holds what could be read of it.
  virtual void on_refused(const ConnectionInfo& connection, const Error& error, uint64_t bytes_sent) = 0;
  // The TLS handshake is done; or it failed, `failure` says why, and the connection is closing.
  virtual void on_handshake(const ConnectionInfo& connection, std::string_view failure) = 0;
  // The connection closes and has brought no request, not even one that was refused.
  virtual void on_no_request(const ConnectionInfo& connection) = 0;
  // The settings that hold for the next request; the reference is read at once.
  virtual const InboundSettings& inbound_settings() const = 0;
  // The time as answers tell it in Date (RFC 9110 section 5.6.7).
  virtual std::string_view http_date() = 0;
  // The process drains: answers carry "Connection: close".
  virtual bool draining() const = 0;

 protected:
  ~StreamOpener() = default;
};

}  // namespace banyan::http
