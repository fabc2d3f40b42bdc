// The PROXY protocol, versions 1 and 2: what a load balancer in front of us says about the client it
// forwards, and what we say to servers (haproxy.org/download/3.0/doc/proxy-protocol.txt).
//
//   v1   PROXY TCP4 192.0.2.7 203.0.113.5 51234 443\r\n          at most 107 bytes; also TCP6 and UNKNOWN
//   v2   12 bytes of signature, version+command, family+transport, length (2), addresses, TLVs
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "config/values.h"
#include "net/ip_address.h"

namespace banyan::net {

struct ProxyHeader {
  size_t size = 0;  // bytes of the header: what follows is the client's
  // The client. None when the sender speaks for itself (v2 LOCAL: its health checks) or does not know
  // (UNKNOWN, or a transport other than TCP): then the address of the connection's peer counts.
  std::optional<IpAddress> source;
  std::optional<IpAddress> destination;  // what the client connected to
};

// The longest header taken; one of v2 could have 64 KiB of TLVs, but nobody sends that many. (As in nginx.)
constexpr size_t kLongestProxyHeader = 4096;

// The header at the beginning of `bytes`, which hold what has been received so far. Null when more is needed,
// an error as soon as it cannot become a header. Strict: nothing is guessed, since whoever may write here
// chooses addresses.
Result<std::optional<ProxyHeader>> parse_proxy_header(std::string_view bytes);

// The same on a socket: looks at what has arrived (MSG_PEEK) and takes exactly the header out, so that a
// stream of any kind can be made on the descriptor afterwards. Null when more has to arrive: ask again at the
// next notice. An error also when the peer closed or the socket failed.
Result<std::optional<ProxyHeader>> take_proxy_header(int fd);

// The header for a server, empty for `off`, as HAProxy's send-proxy and send-proxy-v2 make it: with IPv4 on
// one side and IPv6 on the other both are told as IPv6 (::ffff:a.b.c.d), and when one of them is nobody or on
// a unix socket there are no addresses: "PROXY UNKNOWN", or LOCAL in v2, which every receiver must accept.
std::string make_proxy_header(config::ProxyProtocol version, const IpAddress& source,
                              const IpAddress& destination);
// For connections of our own, such as probes: without addresses.
inline std::string make_local_proxy_header(config::ProxyProtocol version) {
  return make_proxy_header(version, {}, {});
}

// Sends it as the first bytes of a connection, before a stream writes any. Returns an error number, 0 when
// the kernel has taken all of it.
int send_proxy_header(int fd, std::string_view header);

}  // namespace banyan::net
