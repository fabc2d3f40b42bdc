#include "net/proxy_protocol.h"

#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <system_error>

namespace banyan::net {
namespace {

using Parsed = Result<std::optional<ProxyHeader>>;

constexpr std::string_view kSignature1 = "PROXY ";
constexpr std::string_view kSignature2("\r\n\r\n\0\r\nQUIT\n", 12);
constexpr size_t kLongest1 = 107;
constexpr size_t kFixed2 = 16;  // signature, two bytes of kinds, length

Error bad(std::string_view why) { return client_error(400, fmt::format("PROXY protocol: {}", why)); }

// Takes the text up to the next blank; the last word has none behind it.
std::string_view take_word(std::string_view& line) {
  size_t blank = line.find(' ');
  std::string_view word = line.substr(0, blank);
  line = blank == std::string_view::npos ? std::string_view() : line.substr(blank + 1);
  return word;
}

std::optional<uint16_t> parse_port(std::string_view text) {
  uint16_t port = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  bool zero_first = text.size() > 1 && text[0] == '0';
  if (error != std::errc() || end != text.data() + text.size() || zero_first) return std::nullopt;
  return port;
}

std::optional<IpAddress> parse_address(std::string_view host, std::string_view port, bool is_ipv6) {
  std::optional<uint16_t> number = parse_port(port);
  bool looks_ipv6 = host.find(':') != std::string_view::npos;
  if (!number || looks_ipv6 != is_ipv6) return std::nullopt;
  return IpAddress::parse(host, *number);
}

Parsed parse_line(std::string_view line, size_t size) {
  std::string_view family = take_word(line);
  ProxyHeader header{size, {}, {}};
  if (family == "UNKNOWN") return std::optional(header);  // whatever follows is to be ignored
  if (family != "TCP4" && family != "TCP6") return bad("unknown family");
  std::string_view source = take_word(line);
  std::string_view destination = take_word(line);
  std::string_view source_port = take_word(line);
  header.source = parse_address(source, source_port, family == "TCP6");
  header.destination = parse_address(destination, line, family == "TCP6");
  if (!header.source || !header.destination) return bad("malformed addresses");
  return std::optional(header);
}

Parsed parse_version1(std::string_view bytes) {
  std::string_view window = bytes.substr(0, kLongest1);
  size_t end = window.find("\r\n");
  if (end != std::string_view::npos) {
    return parse_line(window.substr(kSignature1.size(), end - kSignature1.size()), end + 2);
  }
  if (window.size() == kLongest1) return bad("line without an end");
  return std::optional<ProxyHeader>();
}

// High half: unspecified, IPv4, IPv6, unix. Low half: unspecified, stream, datagram. Others must be rejected.
bool is_family(uint8_t family) {
  uint8_t domain = family >> 4, transport = family & 15;
  return family == 0 || (domain >= 1 && domain <= 3 && transport >= 1 && transport <= 2);
}

IpAddress address_at(std::string_view bytes, size_t at, size_t size, size_t port_at) {
  auto* data = reinterpret_cast<const uint8_t*>(bytes.data());
  auto port = static_cast<uint16_t>(data[port_at] << 8 | data[port_at + 1]);
  return IpAddress::of_bytes({data + at, size}, port);
}

// `block` holds the addresses and the TLVs behind them, which say nothing we need.
Parsed parse_block(std::string_view block, uint8_t family, size_t size) {
  ProxyHeader header{size, {}, {}};
  size_t width = family == 0x11 ? 4 : family == 0x21 ? 16 : 0;
  if (width == 0) return std::optional(header);
  if (block.size() < 2 * width + 4) return bad("addresses are cut off");
  header.source = address_at(block, 0, width, 2 * width);
  header.destination = address_at(block, width, width, 2 * width + 2);
  return std::optional(header);
}

Parsed parse_version2(std::string_view bytes) {
  if (bytes.size() > kSignature2.size()) {
    // High half: version 2. Low half: 0 LOCAL, 1 PROXY. "Receivers must drop connections presenting other
    // values."
    auto kind = static_cast<uint8_t>(bytes[12]);
    if (kind != 0x20 && kind != 0x21) return bad("unknown version or command");
  }
  if (bytes.size() < kFixed2) return std::optional<ProxyHeader>();
  auto* data = reinterpret_cast<const uint8_t*>(bytes.data());
  bool is_local = data[12] == 0x20;
  uint8_t family = is_local ? 0 : data[13];  // "discard the protocol block including the family"
  if (!is_family(family)) return bad("unknown family");
  size_t size = kFixed2 + (data[14] << 8 | data[15]);
  if (size > kLongestProxyHeader) return bad("header is too long");
  if (bytes.size() < size) return std::optional<ProxyHeader>();
  return parse_block(bytes.substr(kFixed2, size - kFixed2), family, size);
}

bool is_start(std::string_view bytes, std::string_view of) {
  return bytes.substr(0, of.size()) == of.substr(0, bytes.size());
}

// Copies what has arrived and leaves it in the socket. Nothing yet is no error.
Result<size_t> peek(int fd, std::span<char> space) {
  ssize_t count;
  do {
    count = recv(fd, space.data(), space.size(), MSG_PEEK | MSG_DONTWAIT);
  } while (count < 0 && errno == EINTR);
  if (count > 0) return static_cast<size_t>(count);
  if (count == 0) return bad("the peer closed before the header was whole");
  if (errno == EAGAIN) return size_t{0};
  return bad(std::generic_category().message(errno));
}

// ---- towards servers

bool is_known(const IpAddress& ip) { return !ip.bytes().empty() && ip != IpAddress(); }

// With the family that both addresses are told in.
std::string address_text(const IpAddress& ip, bool as_ipv6) {
  IpAddress::TextBuffer buffer;
  const bool mapped = as_ipv6 && ip.family() == IpAddress::Family::ipv4;
  return fmt::format("{}{}", mapped ? "::ffff:" : "", ip.host_text(buffer));
}

void append_address(std::string& header, const IpAddress& ip, bool as_ipv6) {
  if (as_ipv6 && ip.family() == IpAddress::Family::ipv4) header.append(10, '\0').append("\xff\xff");
  header.append(reinterpret_cast<const char*>(ip.bytes().data()), ip.bytes().size());
}

void append_number(std::string& header, size_t number) {
  header += static_cast<char>(number >> 8);
  header += static_cast<char>(number);
}

std::string make_version2(const IpAddress& source, const IpAddress& destination, bool as_ipv6) {
  std::string header(kSignature2);
  header += '\x21';                     // version 2, PROXY
  header += as_ipv6 ? '\x21' : '\x11';  // over TCP
  append_number(header, as_ipv6 ? 36 : 12);
  append_address(header, source, as_ipv6);
  append_address(header, destination, as_ipv6);
  append_number(header, source.port());
  append_number(header, destination.port());
  return header;
}

}  // namespace

std::string make_proxy_header(config::ProxyProtocol version, const IpAddress& source,
                              const IpAddress& destination) {
  if (version == config::ProxyProtocol::off) return {};
  const bool is_v1 = version == config::ProxyProtocol::v1;
  if (!is_known(source) || !is_known(destination)) {
    return is_v1 ? "PROXY UNKNOWN\r\n" : std::string(kSignature2).append("\x20\0\0\0", 4);
  }
  const bool as_ipv6 =
      source.family() == IpAddress::Family::ipv6 || destination.family() == IpAddress::Family::ipv6;
  if (!is_v1) return make_version2(source, destination, as_ipv6);
  return fmt::format("PROXY {} {} {} {} {}\r\n", as_ipv6 ? "TCP6" : "TCP4", address_text(source, as_ipv6),
                     address_text(destination, as_ipv6), source.port(), destination.port());
}

// A new connection has room for so few bytes. The sender has to give them in one piece, so that a receiver
// may insist on having all of them with its first read.
int send_proxy_header(int fd, std::string_view header) {
  ssize_t sent;
  do {
    sent = send(fd, header.data(), header.size(), MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  if (sent < 0) return errno;
  return static_cast<size_t>(sent) == header.size() ? 0 : ENOBUFS;
}

Parsed parse_proxy_header(std::string_view bytes) {
  if (bytes.empty()) return std::optional<ProxyHeader>();
  if (is_start(bytes, kSignature2)) return parse_version2(bytes);
  if (!is_start(bytes, kSignature1)) return bad("connection does not begin with a header");
  if (bytes.size() < kSignature1.size()) return std::optional<ProxyHeader>();
  return parse_version1(bytes);
}

Parsed take_proxy_header(int fd) {
  char space[kLongestProxyHeader];
  Result<size_t> count = peek(fd, space);
  if (!count) return count.error();
  Parsed header = parse_proxy_header({space, *count});
  if (!header || !*header) return header;
  // These bytes were just seen, so they are there.
  size_t taken = 0;
  while (taken < (*header)->size) {
    ssize_t step = recv(fd, space, (*header)->size - taken, 0);
    if (step < 0 && errno == EINTR) continue;
    if (step <= 0) return bad("the connection failed");
    taken += static_cast<size_t>(step);
  }
  return header;
}

}  // namespace banyan::net
