// Who a request comes from and how it is traced: client address behind trusted proxies, X-Request-ID,
// traceparent.
#pragma once

#include <array>
#include <span>
#include <string_view>

#include "base/random.h"
#include "config/values.h"
#include "handler/handler.h"
#include "http/head.h"
#include "net/ip_address.h"

namespace banyan::exchange {

class Identity {
 public:
  // `head` must outlive this: accepted identifiers are views into it. So must `subject`, of the peer's
  // certificate.
  Identity(const http::RequestHead& head, const net::IpAddress& peer, bool tls, std::string_view subject,
           std::span<const config::Cidr> trusted_proxies, Random& random);
  Identity(const Identity&) = delete;
  Identity& operator=(const Identity&) = delete;

  // The client: the peer, or if that is a trusted proxy, the last address in X-Forwarded-For that is none
  // (nginx real_ip_recursive).
  const handler::Client& client() const { return client_; }
  const net::IpAddress& address() const { return client_.address; }
  const net::IpAddress& peer() const { return peer_; }
  // The peer's own address as text, for X-Forwarded-For.
  std::string_view peer_text() const { return peer_text_; }

  // 32 hexadecimal digits, or what a trusted peer sent if it is printable and at most 128 bytes.
  std::string_view request_id() const { return request_id_; }
  // W3C Trace Context: the trace continues (a new span of the client's trace) or begins here.
  std::string_view traceparent() const { return {traceparent_.data(), traceparent_.size()}; }
  std::string_view trace_id() const { return traceparent().substr(3, 32); }
  bool trace_continues() const { return trace_continues_; }

 private:
  void look_through_proxies(const http::RequestHead& head, std::span<const config::Cidr> trusted_proxies);
  void make_trace(const http::RequestHead& head, Random& random);

  net::IpAddress peer_;
  net::IpAddress::TextBuffer peer_buffer_;
  net::IpAddress::TextBuffer client_buffer_;
  std::string_view peer_text_;
  handler::Client client_;
  std::array<char, 32> made_id_;
  std::string_view request_id_;
  std::array<char, 55> traceparent_;
  bool trace_continues_ = false;
};

}  // namespace banyan::exchange
