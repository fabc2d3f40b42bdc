// Load on an HTTP server, for bench/run.sh: one thread, and an answer in JSON.
//
// Prints "begin" when it has warmed up, so that others can measure from then on, and one object at the end:
// requests, errors (not 2xx), broken (connections lost, or never answered in an open loop), resumed (TLS),
// seconds, and latencies in microseconds. With --hold it prints "begin" when all connections are open.
#include <sys/prctl.h>

#include <algorithm>
#include <csignal>
#include <cstdio>

#include "load.h"

namespace {

void say_begin() {
  std::puts("begin");
  std::fflush(stdout);
}

void print(bench::Report& report) {
  std::vector<uint32_t>& latencies = report.latencies;
  std::sort(latencies.begin(), latencies.end());
  const auto at = [&latencies](double share) -> unsigned {
    if (latencies.empty()) return 0;
    const auto place = static_cast<size_t>(share * static_cast<double>(latencies.size()));
    return latencies[std::min(place, latencies.size() - 1)];
  };
  std::printf(
      "{\"requests\": %zu, \"errors\": %zu, \"broken\": %zu, \"resumed\": %zu, \"seconds\": %.6f, \"p50\": "
      "%u, "
      "\"p99\": %u, \"p999\": %u, \"max\": %u}\n",
      report.requests, report.errors, report.broken, report.resumed, report.seconds, at(0.5), at(0.99),
      at(0.999), at(1));
}

}  // namespace

int main(int count, char** words) {
  const bench::Settings settings = bench::read_settings(count, words);
  std::signal(SIGPIPE, SIG_IGN);            // OpenSSL writes without MSG_NOSIGNAL
  prctl(PR_SET_TIMERSLACK, 1000, 0, 0, 0);  // arrivals at their time, not 50 us later
  bench::Load load(settings);
  if (settings.hold) {
    load.open_all();
    say_begin();
    while (std::getchar() != EOF) {
    }
    return 0;
  }
  bench::Report report = load.run(say_begin);
  print(report);
}
