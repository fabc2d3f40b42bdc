#include "exchange/server_timing.h"

#include <fmt/format.h>

#include <iterator>

namespace banyan::exchange {
namespace {

// A quoted string (RFC 9110 section 5.6.4) of what may be in a configuration's names.
std::string quoted(std::string_view text) {
  std::string result = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') result += '\\';
    result += c >= ' ' && c < 0x7f ? c : '?';
  }
  return result += '"';
}

void add_word(std::string& line, std::string_view name, std::string_view text) {
  fmt::format_to(std::back_inserter(line), "{}{};desc={}", line.empty() ? "" : ", ", name, quoted(text));
}

void add_time(std::string& line, std::string_view name, Duration time) {
  const double millis = std::chrono::duration<double, std::milli>(time).count();
  fmt::format_to(std::back_inserter(line), ", {};dur={:.3f}", name, millis);
}

}  // namespace

bool may_see_timing(const Identity& identity, const config::Config& config, const route::Decision& decision) {
  const auto address = identity.address().bytes();
  return config::contains(config.trusted_proxies, address) ||
         (decision.rollout && rollout::may_force(decision.rollout->plan, address));
}

std::string server_timing(const route::Decision& decision, const handler::Notes& notes,
                          std::string_view fallback, Duration total) {
  std::string line;
  add_word(line, "route", decision.route->name());
  if (decision.rollout) {
    add_word(line, "side", shm::side_name(decision.side));
    add_word(line, "reason", shm::reason_name(decision.reason));
  }
  if (!fallback.empty()) add_word(line, "fallback", fallback);
  if (notes.connect_time) add_time(line, "connect", *notes.connect_time);
  if (notes.header_time) add_time(line, "ttfb", *notes.header_time);
  add_time(line, "total", total);
  return line;
}

}  // namespace banyan::exchange
