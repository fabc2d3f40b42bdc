#include "settings.h"

#include <arpa/inet.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>

namespace bench {
namespace {

[[noreturn]] void usage() {
  std::fputs(
      "usage: bench_load [OPTION ...] ADDRESS:PORT PATH\n"
      "  --connections N  --seconds S  --warm-up S\n"
      "  --under-way N    requests at the same time, over the connections in turn; otherwise one on each\n"
      "  --rate N         open loop: arrivals at random times, N a second; latency from the planned time\n"
      "  --body BYTES     POST; otherwise GET\n"
      "  --header LINE    may be given several times\n"
      "  --variants N     '@' in path and headers is replaced by numbers below N\n"
      "  --pipeline N     requests in one write\n"
      "  --close          a connection for each request\n"
      "  --tls, --resume  TLS without verification; resumed sessions\n"
      "  --hold           one request on each connection, then wait until standard input ends\n",
      stderr);
  std::exit(2);
}

void set_address(std::string_view text, Settings& settings) {
  settings.host = text;
  const size_t colon = text.find(':');
  if (colon == text.npos) usage();
  settings.address.sin_family = AF_INET;
  settings.address.sin_port = htons(static_cast<uint16_t>(std::atoi(settings.host.c_str() + colon + 1)));
  if (inet_pton(AF_INET, settings.host.substr(0, colon).c_str(), &settings.address.sin_addr) != 1) usage();
}

bool set_flag(std::string_view name, Settings& settings) {
  if (name == "--close") return settings.close = true;
  if (name == "--tls") return settings.tls = true;
  if (name == "--resume") return settings.resume = true;
  if (name == "--hold") return settings.hold = true;
  return false;
}

bool set_value(std::string_view name, const char* value, Settings& settings) {
  const auto number = static_cast<size_t>(std::atoll(value));
  if (name == "--connections")
    settings.connections = number;
  else if (name == "--under-way")
    settings.under_way = number;
  else if (name == "--seconds")
    settings.seconds = std::atof(value);
  else if (name == "--warm-up")
    settings.warm_up = std::atof(value);
  else if (name == "--rate")
    settings.rate = std::atof(value);
  else if (name == "--body")
    settings.body = number;
  else if (name == "--header")
    settings.headers.emplace_back(value);
  else if (name == "--variants")
    settings.variants = number;
  else if (name == "--pipeline")
    settings.pipeline = number;
  else
    return false;
  return true;
}

}  // namespace

void die(const char* what) {
  std::fprintf(stderr, "bench_load: %s: %s\n", what, std::strerror(errno));
  std::exit(1);
}

Settings read_settings(int count, char** words) {
  Settings settings;
  int at = 1;
  while (at < count && std::strncmp(words[at], "--", 2) == 0) {
    if (!set_flag(words[at], settings)) {
      if (at + 1 == count || !set_value(words[at], words[at + 1], settings)) usage();
      ++at;
    }
    ++at;
  }
  if (at + 2 != count || settings.connections == 0 || settings.pipeline == 0 || settings.variants == 0)
    usage();
  if (settings.rate > 0 && (settings.pipeline > 1 || settings.close || settings.under_way > 0)) usage();
  if (settings.under_way >= settings.connections) settings.under_way = 0;
  set_address(words[at], settings);
  settings.path = words[at + 1];
  return settings;
}

}  // namespace bench
