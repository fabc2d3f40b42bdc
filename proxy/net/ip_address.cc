#include "net/ip_address.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>

#include "base/check.h"

namespace banyan::net {
namespace {

constexpr std::array<uint8_t, 12> kMapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

// Every request has one; inet_ntop goes through printf, which is ten times as much work.
std::string_view ipv4_text(const uint8_t* bytes, IpAddress::TextBuffer& buffer) {
  char* at = buffer.data();
  for (int i = 0; i < 4; ++i) {
    if (i > 0) *at++ = '.';
    at = std::to_chars(at, at + 3, bytes[i]).ptr;
  }
  *at = '\0';
  return {buffer.data(), at};
}

}  // namespace

IpAddress IpAddress::unix_peer() {
  IpAddress peer;
  peer.family_ = Family::unix_socket;
  return peer;
}

IpAddress IpAddress::of_bytes(std::span<const uint8_t> address, uint16_t port) {
  CHECK(address.size() == 4 || address.size() == 16);
  if (address.size() == 16 && std::equal(kMapped.begin(), kMapped.end(), address.begin())) {
    address = address.subspan(kMapped.size());
  }
  IpAddress ip;
  ip.family_ = address.size() == 4 ? Family::ipv4 : Family::ipv6;
  ip.port_ = port;
  std::copy(address.begin(), address.end(), ip.bytes_.begin());
  return ip;
}

IpAddress IpAddress::of_sockaddr(const sockaddr_storage& address) {
  if (address.ss_family == AF_UNIX) return unix_peer();
  if (address.ss_family == AF_INET) {
    const auto& in = reinterpret_cast<const sockaddr_in&>(address);
    return of_bytes({reinterpret_cast<const uint8_t*>(&in.sin_addr), 4}, ntohs(in.sin_port));
  }
  if (address.ss_family == AF_INET6) {
    const auto& in6 = reinterpret_cast<const sockaddr_in6&>(address);
    return of_bytes({in6.sin6_addr.s6_addr, 16}, ntohs(in6.sin6_port));
  }
  return {};
}

IpAddress IpAddress::of_peer(int fd) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (getpeername(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) return {};
  return of_sockaddr(address);
}

IpAddress IpAddress::of_local(int fd) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) return {};
  return of_sockaddr(address);
}

std::optional<IpAddress> IpAddress::parse(std::string_view text, uint16_t port) {
  char copy[INET6_ADDRSTRLEN];
  if (text.size() >= sizeof copy || text.find('\0') != std::string_view::npos) return std::nullopt;
  copy[text.copy(copy, text.size())] = '\0';
  std::array<uint8_t, 16> bytes;
  if (inet_pton(AF_INET, copy, bytes.data()) == 1) return of_bytes({bytes.data(), 4}, port);
  if (inet_pton(AF_INET6, copy, bytes.data()) == 1) return of_bytes(bytes, port);
  return std::nullopt;
}

std::span<const uint8_t> IpAddress::bytes() const {
  switch (family_) {
    case Family::ipv4:
      return {bytes_.data(), 4};
    case Family::ipv6:
      return bytes_;
    case Family::unix_socket:
      break;
  }
  return {};
}

std::string_view IpAddress::host_text(TextBuffer& buffer) const {
  if (family_ == Family::unix_socket) return "unix:";
  if (family_ == Family::ipv4) return ipv4_text(bytes_.data(), buffer);
  inet_ntop(AF_INET6, bytes_.data(), buffer.data(), buffer.size());
  return buffer.data();
}

std::string_view IpAddress::text(TextBuffer& buffer) const {
  TextBuffer host;
  std::string_view host_view = host_text(host);
  if (family_ == Family::unix_socket) return host_view;
  std::string_view form = family_ == Family::ipv4 ? "{}:{}" : "[{}]:{}";
  char* end = fmt::format_to_n(buffer.data(), buffer.size(), fmt::runtime(form), host_view, port_).out;
  return {buffer.data(), end};
}

Result<SocketAddress> SocketAddress::make(const config::Address& address) {
  if (address.kind == config::Address::Kind::name) {
    return proxy_error(fmt::format("{}: is a name, not an address", address.text()));
  }
  if (address.kind != config::Address::Kind::unix_socket) {
    std::optional<IpAddress> ip = IpAddress::parse(address.host, address.port);
    bool is_ipv4 = ip && ip->family() == IpAddress::Family::ipv4;
    if (!ip || (address.kind == config::Address::Kind::ipv4 && !is_ipv4)) {
      return proxy_error(fmt::format("{}: is not an IP address", address.text()));
    }
    return of_ip(*ip);
  }
  SocketAddress made;
  auto& un = reinterpret_cast<sockaddr_un&>(made.storage_);
  if (address.host.empty() || address.host.size() >= sizeof un.sun_path ||
      address.host.find('\0') != std::string::npos) {
    return proxy_error(
        fmt::format("{}: the path must have 1 to {} bytes", address.text(), sizeof un.sun_path - 1));
  }
  un.sun_family = AF_UNIX;
  address.host.copy(un.sun_path, address.host.size());
  made.size_ = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address.host.size() + 1);
  return made;
}

SocketAddress SocketAddress::of_ip(const IpAddress& address) {
  CHECK(address.family() != IpAddress::Family::unix_socket);
  SocketAddress made;
  std::span<const uint8_t> bytes = address.bytes();
  if (address.family() == IpAddress::Family::ipv4) {
    auto& in = reinterpret_cast<sockaddr_in&>(made.storage_);
    in.sin_family = AF_INET;
    in.sin_port = htons(address.port());
    std::memcpy(&in.sin_addr, bytes.data(), bytes.size());
    made.size_ = sizeof in;
  } else {
    auto& in6 = reinterpret_cast<sockaddr_in6&>(made.storage_);
    in6.sin6_family = AF_INET6;
    in6.sin6_port = htons(address.port());
    std::memcpy(&in6.sin6_addr, bytes.data(), bytes.size());
    made.size_ = sizeof in6;
  }
  return made;
}

Result<SocketAddress> SocketAddress::of_bound(int fd) {
  SocketAddress bound;
  bound.size_ = sizeof bound.storage_;
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&bound.storage_), &bound.size_) != 0) {
    return system_error("getsockname", errno);
  }
  return bound;
}

std::string SocketAddress::text() const {
  if (storage_.ss_family == AF_UNIX) {
    const auto& un = reinterpret_cast<const sockaddr_un&>(storage_);
    size_t longest = size_ > offsetof(sockaddr_un, sun_path) ? size_ - offsetof(sockaddr_un, sun_path) : 0;
    return fmt::format("unix:{}", std::string_view(un.sun_path, strnlen(un.sun_path, longest)));
  }
  IpAddress::TextBuffer buffer;
  return std::string(ip().text(buffer));
}

}  // namespace banyan::net
