#include "config/values.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "config/names.h"

namespace banyan::config {
namespace {

constexpr std::string_view kUnix = "unix:";
constexpr size_t kLongestHost = 253;
// The path and its NUL must fit.
constexpr size_t kLongestUnixPath = sizeof(sockaddr_un::sun_path) - 1;

Error wrong(std::string message) { return proxy_error(std::move(message)); }

bool is_ipv4(const std::string& text) {
  in_addr parsed;
  return inet_pton(AF_INET, text.c_str(), &parsed) == 1;
}

bool is_ipv6(const std::string& text) {
  in6_addr parsed;
  return inet_pton(AF_INET6, text.c_str(), &parsed) == 1;
}

bool is_host_name(std::string_view text) {
  if (text.empty() || text.size() > kLongestHost || text.front() == '.' || text.front() == '-') return false;
  // Digits and dots alone are an IPv4 address gone wrong, "127.0.0.256".
  if (text.find_first_not_of("0123456789.") == std::string_view::npos) return false;
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return is_alphanumeric(c) || c == '-' || c == '.' || c == '_'; });
}

Result<uint16_t> parse_port(std::string_view text) {
  uint32_t port = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error == std::errc::result_out_of_range || port > 65535) return wrong("port must be 0 to 65535");
  if (error != std::errc() || end != text.data() + text.size()) return wrong("port must be a number");
  return static_cast<uint16_t>(port);
}

Result<Address> parse_unix(std::string_view path) {
  if (path.empty() || path[0] != '/') return wrong("unix: must be followed by an absolute path");
  if (path.size() > kLongestUnixPath) {
    return wrong(fmt::format("path of a unix socket must be at most {} bytes", kLongestUnixPath));
  }
  if (path.find('\0') != std::string_view::npos) return wrong("path must not contain NUL");
  return Address{Address::Kind::unix_socket, std::string(path), 0};
}

// Splits "host:port" or "[host]:port".
Result<Address> split_port(std::string_view text) {
  constexpr std::string_view kForm = "must be HOST:PORT, [IPV6]:PORT or unix:/PATH";
  const bool bracket = text.starts_with('[');
  const size_t close = bracket ? text.find(']') : std::string_view::npos;
  if (bracket && close == std::string_view::npos) return wrong("] is missing");
  const size_t colon = bracket ? close + 1 : text.rfind(':');
  if (colon == std::string_view::npos || colon >= text.size()) {
    return wrong(fmt::format("port is missing; {}", kForm));
  }
  if (text[colon] != ':') return wrong(std::string(kForm));
  std::string_view host = bracket ? text.substr(1, close - 1) : text.substr(0, colon);
  if (host.empty()) return wrong(fmt::format("host is missing; {}", kForm));
  if (!bracket && host.find(':') != std::string_view::npos) {
    return wrong("IPv6 address must stand in brackets, \"[::1]:80\"");
  }
  Result<uint16_t> port = parse_port(text.substr(colon + 1));
  if (!port) return port.error();
  return Address{bracket ? Address::Kind::ipv6 : Address::Kind::name, std::string(host), *port};
}

// The front of an IPv4 address written as an IPv6 one, ::ffff:a.b.c.d.
constexpr std::array<uint8_t, 12> kMapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

bool is_mapped(std::span<const uint8_t> address) {
  return address.size() == 16 && std::equal(kMapped.begin(), kMapped.end(), address.begin());
}

uint8_t family_bits(Cidr::Family family) { return family == Cidr::Family::ipv4 ? 32 : 128; }

// The bytes with all bits after the first `bits` zero.
std::array<uint8_t, 16> masked(std::array<uint8_t, 16> address, size_t bits) {
  for (size_t i = 0; i < address.size(); ++i) {
    const size_t keep = bits > i * 8 ? std::min<size_t>(bits - i * 8, 8) : 0;
    address[i] &= static_cast<uint8_t>(0xff00 >> keep);
  }
  return address;
}

}  // namespace

std::string Where::text() const {
  return line == 0 ? "default" : fmt::format("{}:{}:{}", file, line, column);
}

std::string Address::text() const {
  if (kind == Kind::unix_socket) return fmt::format("unix:{}", host);
  if (kind == Kind::ipv6) return fmt::format("[{}]:{}", host, port);
  return fmt::format("{}:{}", host, port);
}

Result<Address> parse_address(std::string_view text) {
  if (text.starts_with(kUnix)) return parse_unix(text.substr(kUnix.size()));
  if (text.find("://") != std::string_view::npos) return wrong("must be HOST:PORT without a scheme");
  Result<Address> address = split_port(text);
  if (!address) return address;
  if (address->host.find('\0') != std::string::npos) return wrong("host must not contain NUL");
  if (address->kind == Address::Kind::ipv6) {
    if (!is_ipv6(address->host)) return wrong("is not an IPv6 address");
    return address;
  }
  if (is_ipv4(address->host)) {
    address->kind = Address::Kind::ipv4;
  } else if (address->host == "*") {
    return wrong("\"*\" is not an address; 0.0.0.0 is every IPv4 address, [::] every IPv6 address");
  } else if (!is_host_name(address->host)) {
    return wrong("is neither an IP address nor a host name");
  }
  return address;
}

bool Cidr::contains(std::span<const uint8_t> peer) const {
  if (peer.empty()) return family == Family::unix_socket;
  if (is_mapped(peer)) peer = peer.subspan(kMapped.size());
  if (family == Family::unix_socket || peer.size() * 8 != family_bits(family)) return false;
  const size_t whole = prefix / 8;
  if (!std::equal(peer.begin(), peer.begin() + static_cast<ptrdiff_t>(whole), address.begin())) return false;
  if (prefix % 8 == 0) return true;
  const auto mask = static_cast<uint8_t>(0xff00 >> (prefix % 8));
  return (peer[whole] & mask) == address[whole];
}

std::string Cidr::text() const {
  if (family == Family::unix_socket) return std::string(kUnix);
  char buffer[INET6_ADDRSTRLEN];
  inet_ntop(family == Family::ipv4 ? AF_INET : AF_INET6, address.data(), buffer, sizeof buffer);
  return fmt::format("{}/{}", buffer, prefix);
}

Result<Cidr> parse_cidr(std::string_view text) {
  Cidr cidr;
  if (text == kUnix) {
    cidr.family = Cidr::Family::unix_socket;
    return cidr;
  }
  const size_t slash = text.find('/');
  const std::string host(text.substr(0, slash));
  if (host.find('\0') == std::string::npos && inet_pton(AF_INET, host.c_str(), cidr.address.data()) == 1) {
    cidr.family = Cidr::Family::ipv4;
  } else if (host.find('\0') == std::string::npos &&
             inet_pton(AF_INET6, host.c_str(), cidr.address.data()) == 1) {
    cidr.family = Cidr::Family::ipv6;
  } else {
    return wrong("must be an address or a network such as \"10.0.0.0/8\" or \"fd00::/8\"");
  }
  uint32_t bits = family_bits(cidr.family);
  if (slash != std::string_view::npos) {
    const std::string_view digits = text.substr(slash + 1);
    auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), bits);
    if (error != std::errc() || end != digits.data() + digits.size() || bits > family_bits(cidr.family)) {
      return wrong(fmt::format("prefix must be 0 to {}", family_bits(cidr.family)));
    }
  }
  if (cidr.family == Cidr::Family::ipv6 && is_mapped(cidr.address) && bits >= 96) {
    std::rotate(cidr.address.begin(), cidr.address.begin() + kMapped.size(), cidr.address.end());
    std::fill(cidr.address.begin() + 4, cidr.address.end(), uint8_t{0});
    cidr.family = Cidr::Family::ipv4;
    bits -= 96;
  }
  cidr.prefix = static_cast<uint8_t>(bits);
  const std::array<uint8_t, 16> network = masked(cidr.address, bits);
  if (network != cidr.address) {
    cidr.address = network;
    return wrong(fmt::format("has bits after the prefix; the network is {}", cidr.text()));
  }
  return cidr;
}

bool contains(std::span<const Cidr> networks, std::span<const uint8_t> peer) {
  return std::any_of(networks.begin(), networks.end(), [&](const Cidr& cidr) { return cidr.contains(peer); });
}

std::string Target::text() const {
  static constexpr std::string_view kKinds[] = {"upstream", "handler", "rollout"};
  return fmt::format("{}.{}", kKinds[static_cast<size_t>(kind)], name);
}

Result<Target> parse_target(std::string_view text) {
  const size_t dot = text.find('.');
  const std::string_view kind = text.substr(0, dot);
  Target target;
  if (kind == "upstream") {
    target.kind = Target::Kind::upstream;
  } else if (kind == "handler") {
    target.kind = Target::Kind::handler;
  } else if (kind == "rollout") {
    target.kind = Target::Kind::rollout;
  } else {
    return wrong("must be \"upstream.NAME\", \"handler.NAME\" or \"rollout.NAME\"");
  }
  if (dot == std::string_view::npos || dot + 1 == text.size()) {
    return wrong(fmt::format("name is missing, \"{}.NAME\"", kind));
  }
  target.name = text.substr(dot + 1);
  return target;
}

std::string ClientKey::text() const {
  if (kind == Kind::client_ip) return "client_ip";
  return fmt::format("{}:{}", kind == Kind::cookie ? "cookie" : "header", name);
}

Result<ClientKey> parse_client_key(std::string_view text) {
  if (text == "client_ip") return ClientKey{};
  const size_t colon = text.find(':');
  const std::string_view kind = text.substr(0, colon);
  if (colon == std::string_view::npos || (kind != "cookie" && kind != "header")) {
    return wrong("must be \"cookie:NAME\", \"header:NAME\" or \"client_ip\"");
  }
  const std::string_view name = text.substr(colon + 1);
  if (!is_token(name)) return wrong(fmt::format("is not the name of a {}", kind));
  return ClientKey{kind == "cookie" ? ClientKey::Kind::cookie : ClientKey::Kind::header, std::string(name)};
}

}  // namespace banyan::config
