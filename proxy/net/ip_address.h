// Addresses as the data path keeps them. IpAddress is the compact value of a peer (20 bytes, no allocation),
// for logs, access lists and keys; SocketAddress is what the kernel wants for bind and connect.
#pragma once

#include <sys/socket.h>

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "config/values.h"

namespace banyan::net {

// An IPv4 or IPv6 address with port, or "some peer on a unix socket". Always in its simplest form:
// ::ffff:a.b.c.d is kept as the IPv4 address a.b.c.d, so that equal clients have equal values. The zone of a
// link-local IPv6 address is not kept.
class IpAddress {
 public:
  enum class Family : uint8_t { ipv4, ipv6, unix_socket };
  // Room for the longest text() ("[ffff:…:ffff]:65535") and a NUL.
  static constexpr size_t kTextSize = 48;
  using TextBuffer = std::array<char, kTextSize>;

  // 0.0.0.0:0: nobody. (Not a unix peer, which access lists may trust.)
  constexpr IpAddress() = default;
  static IpAddress unix_peer();
  // `address` in network order, 4 or 16 bytes; port in host order.
  static IpAddress of_bytes(std::span<const uint8_t> address, uint16_t port);
  // What accept() or getpeername() filled in. Families other than these three give nobody.
  static IpAddress of_sockaddr(const sockaddr_storage& address);
  // The peer of a connected socket; nobody when it has none any more.
  static IpAddress of_peer(int fd);
  // Its own address; nobody when it has none any more.
  static IpAddress of_local(int fd);
  // "127.0.0.1" or "::1", without brackets or port. Null when it is neither.
  static std::optional<IpAddress> parse(std::string_view text, uint16_t port = 0);

  Family family() const { return family_; }
  uint16_t port() const { return port_; }  // host order; 0 for a unix peer
  // In network order: 4, 16 or 0 bytes, as config::contains and config::Cidr::contains take them.
  std::span<const uint8_t> bytes() const;

  // "127.0.0.1", "::1", or "unix:" (as nginx logs them). The view lives as long as the buffer.
  std::string_view host_text(TextBuffer& buffer) const;
  // With port: "127.0.0.1:80", "[::1]:80", "unix:".
  std::string_view text(TextBuffer& buffer) const;

  bool operator==(const IpAddress&) const = default;

 private:
  std::array<uint8_t, 16> bytes_{};
  uint16_t port_ = 0;
  Family family_ = Family::ipv4;
};
static_assert(sizeof(IpAddress) <= 20);

class SocketAddress {
 public:
  // Of an address that needs no look-up. Error for Kind::name (ask net::Resolver) and for text that is no
  // address.
  static Result<SocketAddress> make(const config::Address& address);
  // REQUIRES: an IPv4 or IPv6 address.
  static SocketAddress of_ip(const IpAddress& address);
  // The address a socket is bound to: after binding to port 0 the port the kernel chose.
  static Result<SocketAddress> of_bound(int fd);

  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage_); }
  socklen_t size() const { return size_; }
  int family() const { return storage_.ss_family; }
  // "127.0.0.1:80", "[::1]:80", "unix:/run/x.sock".
  std::string text() const;
  IpAddress ip() const { return IpAddress::of_sockaddr(storage_); }

 private:
  SocketAddress() = default;
  sockaddr_storage storage_{};
  socklen_t size_ = 0;
};

}  // namespace banyan::net
