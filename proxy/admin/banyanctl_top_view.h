// banyanctl top: what two looks at /metrics, and one at /rollouts, say about this moment.
#pragma once

#include <array>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace banyan::ctl {

// What one look at /metrics counts for a route and side.
struct SideCounts {
  double requests = 0;
  double errors = 0;  // status 5xx
  double in_flight = 0;
  std::vector<std::pair<double, double>> buckets;  // upper bound in seconds, cumulative count
};

struct TopCounts {
  std::map<std::pair<std::string, std::string>, SideCounts> sides;  // by route and side
};

// Reads the Prometheus text; lines that are not understood are skipped.
TopCounts read_counts(std::string_view metrics);

// The value below which that share of the observations between two looks lies, in seconds, by interpolation
// within its bucket (as Prometheus' histogram_quantile); negative when there were none.
double quantile_between(const SideCounts& before, const SideCounts& now, double share);

struct TopOptions {
  double seconds = 1;  // between the two looks; rates are per second
  size_t width = 80;   // columns; longer lines are cut
  size_t height = 0;   // lines; 0: all
};

// For people: a head, a line for each route and side, a line for each rollout. `rollouts` and `status` are
// the admin API's JSON.
std::string top_text(const TopCounts& before, const TopCounts& now, const std::string& rollouts,
                     const std::string& status, const TopOptions& options);
// The same as JSON: {"seconds", "routes": [{"route", "side", "requests_per_second", "error_rate",
// "in_flight", "p50", "p99"}], "rollouts": […]}. Absent: nothing to tell.
std::string top_json(const TopCounts& before, const TopCounts& now, const std::string& rollouts,
                     const TopOptions& options);

}  // namespace banyan::ctl
