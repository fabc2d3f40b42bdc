#include "http/authority.h"

#include <arpa/inet.h>

#include <cstring>

#include "http/chars.h"

namespace banyan::http {
namespace {

constexpr size_t kMostPortDigits = 5;
constexpr unsigned kMostPort = 65535;

bool is_ipv6(std::string_view text) {
  char terminated[INET6_ADDRSTRLEN] = {};
  if (text.size() >= sizeof terminated || text.find('\0') != text.npos) return false;
  std::memcpy(terminated, text.data(), text.size());
  in6_addr address;
  return inet_pton(AF_INET6, terminated, &address) == 1;
}

bool is_port(std::string_view text) {
  if (text.size() > kMostPortDigits || !chars::all(text, chars::kDigit)) return false;
  unsigned port = 0;
  for (char c : text) port = port * 10 + static_cast<unsigned>(c - '0');
  return port <= kMostPort;
}

Error wrong(const char* what) { return client_error(400, what); }

}  // namespace

Result<std::string_view> parse_authority(std::string_view text) {
  const char* begin = text.data();
  const char* end = begin + text.size();
  const char* host_end;
  if (!text.empty() && text.front() == '[') {
    size_t bracket = text.find(']');
    if (bracket == text.npos) return wrong("host: \"[\" without \"]\"");
    if (!is_ipv6(text.substr(1, bracket - 1))) return wrong("host: no IPv6 address between the brackets");
    host_end = begin + bracket + 1;
  } else {
    host_end = chars::find_not(chars::kRegName, begin, end);
  }
  if (host_end == end) return text;
  if (*host_end == '%') return wrong("host: percent-encoding is not accepted");
  if (*host_end != ':') {
    return wrong(text.find('@') == text.npos ? "host: a character that is not allowed"
                                             : "host: userinfo is not accepted");
  }
  std::string_view port = text.substr(static_cast<size_t>(host_end - begin) + 1);
  if (port.find('@') != port.npos) return wrong("host: userinfo is not accepted");
  if (!is_port(port)) return wrong("host: the port is not a number from 0 to 65535");
  if (host_end == begin) return wrong("host: a port without a host");
  return port.empty() ? text.substr(0, static_cast<size_t>(host_end - begin)) : text;
}

}  // namespace banyan::http
