// The small values that configurations are made of: addresses, networks, targets, rates, files, secrets, and
// the place in a file where something was said. Plain data with parsers from text; no sockets, no files are
// touched here.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"

namespace banyan::config {

// Where in the configuration something was said. Two equal settings are equal wherever they stand, so that
// moving a line is no change at reload: operator== is always true.
struct Where {
  std::string file;
  int line = 0;    // from 1; 0 when it comes from no file (a default)
  int column = 0;  // from 1, in characters
  bool operator==(const Where&) const { return true; }
  // "banyan.toml:7:23", or "default".
  std::string text() const;
};

// A file that a configuration names. The bytes come with it, so nobody opens `path` again.
struct FileRef {
  std::string path;  // absolute
  std::string content;
  bool empty() const { return path.empty(); }
  bool operator==(const FileRef&) const = default;
};

// A value that is never printed: passwords, tokens, keys.
struct Secret {
  std::string value;
  bool empty() const { return value.empty(); }
  bool operator==(const Secret&) const = default;
};

// A place to listen on or to connect to.
struct Address {
  enum class Kind { ipv4, ipv6, name, unix_socket };
  Kind kind = Kind::ipv4;
  std::string host;   // without brackets; the absolute path of a unix socket
  uint16_t port = 0;  // 0 for a unix socket
  bool operator==(const Address&) const = default;
  // "127.0.0.1:80", "[::1]:80", "example.org:80", "unix:/run/x.sock".
  std::string text() const;
};

// Parses the forms of Address::text(). The error's message says what is wrong with the text, without
// repeating it.
Result<Address> parse_address(std::string_view text);

// The header of the PROXY protocol that a connection begins with.
enum class ProxyProtocol : uint8_t { off, v1, v2 };

// A network: "10.0.0.0/8", "fd00::/8", a single address, or "unix:" for every peer on a unix socket.
struct Cidr {
  enum class Family : uint8_t { ipv4, ipv6, unix_socket };
  Family family = Family::ipv4;
  uint8_t prefix = 0;                    // bits that count
  std::array<uint8_t, 16> address = {};  // network order; four bytes for IPv4; bits after the prefix are zero
  bool operator==(const Cidr&) const = default;
  // True if the address in network order (4 or 16 bytes; empty for a unix peer) lies in this network.
  // ::ffff:a.b.c.d is the same as a.b.c.d.
  bool contains(std::span<const uint8_t> peer) const;
  std::string text() const;
};

Result<Cidr> parse_cidr(std::string_view text);

// True if any of the networks holds the address (bytes as for Cidr::contains).
bool contains(std::span<const Cidr> networks, std::span<const uint8_t> peer);

// What a route or a side of a rollout points to.
struct Target {
  enum class Kind { upstream, handler, rollout };
  Kind kind = Kind::upstream;
  std::string name;
  bool operator==(const Target&) const = default;
  std::string text() const;  // "upstream.node"
};

Result<Target> parse_target(std::string_view text);

// What identifies a client: for the sticky keys of a rollout and the keys of a limit.
struct ClientKey {
  enum class Kind { cookie, header, client_ip };
  Kind kind = Kind::client_ip;
  std::string name;  // of the cookie or header; empty for client_ip
  bool operator==(const ClientKey&) const = default;
  std::string text() const;  // "cookie:uid", "header:X-User-Id", "client_ip"
};

Result<ClientKey> parse_client_key(std::string_view text);

// "100/s", "600/m", "5000/h".
struct Rate {
  uint32_t count = 0;  // 0: no limit
  Millis period{1000};
  bool operator==(const Rate&) const = default;
};

}  // namespace banyan::config
