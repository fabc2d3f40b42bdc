#include "rollout/evidence.h"

#include <cmath>

namespace banyan::rollout {
namespace {

// Requests in a stratum. Comparing within strata costs about one request's worth in each, so they must not be
// tiny; the longer they are, the later they speak. The slowest hundredth wants some more.
constexpr uint64_t kErrorStratum = 50;
constexpr uint64_t kLatencyStratum = 200;

// How many windows a run of that level lasts.
constexpr uint64_t run_length(size_t level) { return uint64_t{1} << 2 * level; }

double weight_of(uint64_t number) {
  const auto i = static_cast<double>(number);
  return 0.5 / Evidence::kLevels / (i * (i + 1));
}

Stratum error_stratum(const shm::RolloutTotals& totals) {
  return {totals.native.requests(), totals.legacy.requests(), totals.native.errors(), totals.legacy.errors()};
}

}  // namespace

std::string_view check_name(Check check) {
  constexpr std::string_view kTexts[] = {"errors", "p50", "p99"};
  return kTexts[static_cast<size_t>(check)];
}

Stratum slow_stratum(const shm::RolloutTotals& totals, double quantile) {
  Stratum slow{totals.native.timed(), totals.legacy.timed(), 0, 0};
  Stratum best = slow;
  const auto all = static_cast<double>(slow.native + slow.legacy);
  const double wanted = (1 - quantile) * all;
  double nearest = all;
  for (size_t i = shm::kLatencyBuckets; i-- > 0;) {
    slow.native_events += totals.native.latencies[i];
    slow.legacy_events += totals.legacy.latencies[i];
    const auto events = static_cast<double>(slow.native_events + slow.legacy_events);
    if (events == 0 || events == all) continue;  // nobody or all: says nothing
    const double distance = std::abs(events - wanted);
    if (distance >= nearest) continue;
    nearest = distance;
    best = slow;
  }
  return best;
}

Evidence::Evidence(Millis window) : window_(window), whole_(true) {}

Evidence::Evidence(Millis window, Millis elapsed) : window_(window), whole_(false) {
  for (size_t level = 0; level < kLevels; ++level) {
    begin_run(level, static_cast<uint64_t>(elapsed / window_) / run_length(level) + 1);
  }
  errors_.since = latencies_.since = elapsed;
}

void Evidence::begin_run(size_t level, uint64_t number) {
  runs_[level] = Run{};
  runs_[level].number = number;
  runs_[level].log_weight = std::log(weight_of(number));
}

void Evidence::begin_due_runs(Millis elapsed) {
  const auto windows = static_cast<uint64_t>(elapsed / window_);
  for (size_t level = 0; level < kLevels; ++level) {
    const uint64_t due = windows / run_length(level);
    if (runs_[level].number < due) begin_run(level, due);
  }
}

void Evidence::add(const shm::RolloutTotals& totals, Millis elapsed) {
  begin_due_runs(elapsed);
  sums_ += totals;
  for (Run& run : runs_) {
    if (run.number > 0) run.sums += totals;
  }
  gather(errors_, totals, elapsed, kErrorStratum, &Evidence::close_errors);
  gather(latencies_, totals, elapsed, kLatencyStratum, &Evidence::close_latencies);
}

void Evidence::gather(Pending& pending, const shm::RolloutTotals& totals, Millis elapsed, uint64_t enough,
                      void (Evidence::*close)(const shm::RolloutTotals&)) {
  pending.totals += totals;
  const uint64_t requests = pending.totals.native.requests() + pending.totals.legacy.requests();
  if (requests < enough && elapsed - pending.since < window_) return;
  if (requests > 0) (this->*close)(pending.totals);
  pending = {{}, elapsed};
}

void Evidence::close_errors(const shm::RolloutTotals& totals) {
  add_stratum(Check::errors, error_stratum(totals));
}

void Evidence::close_latencies(const shm::RolloutTotals& totals) {
  add_stratum(Check::p50, slow_stratum(totals, 0.5));
  add_stratum(Check::p99, slow_stratum(totals, 0.99));
}

void Evidence::add_stratum(Check check, const Stratum& stratum) {
  const auto index = static_cast<size_t>(check);
  const OddsTest::Step step = OddsTest::step_of(stratum);
  if (whole_) whole_tests_[index].add(step);
  for (Run& run : runs_) {
    if (run.number > 0) run.tests[index].add(step);
  }
}

std::array<Evidence::Case, Evidence::kLevels + 1> Evidence::cases(Check check) const {
  const auto index = static_cast<size_t>(check);
  std::array<Case, kLevels + 1> cases;
  if (whole_) cases[kLevels] = {std::log(0.5) + whole_tests_[index].log_evidence(), &sums_};
  for (size_t level = 0; level < kLevels; ++level) {
    const Run& run = runs_[level];
    if (run.number > 0) cases[level] = {run.log_weight + run.tests[index].log_evidence(), &run.sums};
  }
  return cases;
}

}  // namespace banyan::rollout
