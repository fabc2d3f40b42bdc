#include "exchange/identity.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <optional>

namespace banyan::exchange {
namespace {

constexpr size_t kLongestRequestId = 128;

// Two digits for each byte.
constexpr std::array<char, 512> kHexBytes = [] {
  std::array<char, 512> digits{};
  for (size_t i = 0; i < 512; ++i) digits[i] = "0123456789abcdef"[i % 2 == 0 ? i / 32 : i / 2 % 16];
  return digits;
}();

void write_hex(uint64_t value, char* out) {
  for (int shift = 56; shift >= 0; shift -= 8, out += 2) {
    std::memcpy(out, kHexBytes.data() + 2 * (value >> shift & 0xff), 2);
  }
}

bool is_lower_hex(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

bool all_zero(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c == '0'; });
}

// W3C Trace Context section 3.2: version-traceid-parentid-flags.
bool valid_traceparent(std::string_view text) {
  if (text.size() < 55 || text[2] != '-' || text[35] != '-' || text[52] != '-') return false;
  if (!is_lower_hex(text.substr(0, 2)) || text.substr(0, 2) == "ff") return false;
  if (text.size() > 55 && (text.substr(0, 2) == "00" || text[55] != '-')) return false;
  return is_lower_hex(text.substr(3, 32)) && !all_zero(text.substr(3, 32)) &&
         is_lower_hex(text.substr(36, 16)) && !all_zero(text.substr(36, 16)) &&
         is_lower_hex(text.substr(53, 2));
}

bool good_request_id(std::string_view text) {
  return !text.empty() && text.size() <= kLongestRequestId &&
         std::all_of(text.begin(), text.end(),
                     [](char c) { return c > ' ' && c < 0x7f && c != '"' && c != '\\'; });
}

// "192.0.2.7" or "2001:db8::7", and with the port that some gateways add: "192.0.2.7:4711",
// "[2001:db8::7]:4711" (as nginx's realip module reads them).
std::optional<net::IpAddress> parse_hop(std::string_view hop) {
  if (auto address = net::IpAddress::parse(hop)) return address;
  const size_t colon = hop.rfind(':');
  if (colon == hop.npos) return std::nullopt;
  const std::string_view digits = hop.substr(colon + 1);
  uint16_t port = 0;
  const auto [end, problem] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (problem != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  std::string_view host = hop.substr(0, colon);
  const bool brackets = host.starts_with('[') && host.ends_with(']');
  if (brackets) host = host.substr(1, host.size() - 2);
  auto address = net::IpAddress::parse(host, port);
  if (address && (address->family() == net::IpAddress::Family::ipv6) != brackets) return std::nullopt;
  return address;
}

}  // namespace

Identity::Identity(const http::RequestHead& head, const net::IpAddress& peer, bool tls,
                   std::string_view subject, std::span<const config::Cidr> trusted_proxies, Random& random)
    : peer_(peer) {
  client_.address = peer;
  peer_text_ = peer.family() == net::IpAddress::Family::unix_socket ? "unix" : peer_.host_text(peer_buffer_);
  client_.trusted = !trusted_proxies.empty() && config::contains(trusted_proxies, peer.bytes());
  client_.tls = tls;
  client_.subject = subject;
  if (client_.trusted) look_through_proxies(head, trusted_proxies);
  client_.port = address().port();
  client_.ip = address() == peer_ ? peer_text_ : address().host_text(client_buffer_);

  std::string_view sent_id =
      client_.trusted ? head.fields.get(http::FieldId::x_request_id) : std::string_view();
  if (good_request_id(sent_id)) {
    request_id_ = sent_id;
  } else {
    write_hex(random.next(), made_id_.data());
    write_hex(random.next(), made_id_.data() + 16);
    request_id_ = {made_id_.data(), made_id_.size()};
  }
  make_trace(head, random);
}

void Identity::look_through_proxies(const http::RequestHead& head,
                                    std::span<const config::Cidr> trusted_proxies) {
  std::vector<std::string_view> hops;
  for (const http::Field& field : head.fields) {
    if (field.id != http::FieldId::x_forwarded_for) continue;
    http::each_list_element(field.value, [&](std::string_view hop) { hops.push_back(hop); });
  }
  for (auto hop = hops.rbegin(); hop != hops.rend(); ++hop) {
    auto address = parse_hop(*hop);
    if (!address) return;  // whoever wrote this is not to be believed further
    client_.address = *address;
    if (!config::contains(trusted_proxies, address->bytes())) break;
  }
  std::string_view proto = head.fields.get(http::FieldId::x_forwarded_proto);
  if (!proto.empty()) client_.tls = http::equal_ignoring_case(proto, "https");
}

void Identity::make_trace(const http::RequestHead& head, Random& random) {
  std::string_view sent = head.fields.get(http::FieldId::traceparent);
  char* out = traceparent_.data();
  if (valid_traceparent(sent)) {
    trace_continues_ = true;
    std::memcpy(out, "00", 2);
    std::memcpy(out + 2, sent.data() + 2, 53);
  } else {
    std::memcpy(out, "00-", 3);
    write_hex(random.next() | 1, out + 3);
    write_hex(random.next(), out + 19);
    std::memcpy(out + 52, "-00", 3);
    out[35] = '-';
  }
  write_hex(random.next() | 1, out + 36);
}

}  // namespace banyan::exchange
