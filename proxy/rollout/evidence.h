// Evidence that native is worse, gathered since the percentage was last moved (a period), for looking at
// every second for weeks.
//
// One sequence of evidence over a whole period would need ever longer to notice a side that goes bad after
// days of being good. So several run beside each other, each an OddsTest for each check:
//
//   windows   0    1    2    3    4    5    6    7    8    …
//   whole     ├───────────────────────────────────────────▶       weight 1/2
//   level 0        ├─1─┤├─2─┤├─3─┤├─4─┤├─5─┤├─6─┤├─7─┤├─8─…       run i lasts one window
//   level 1                        ├─────────1────────┤├─2─…      four windows
//   level 2 …                                                     sixteen, … up to 1024
//
// Run i of a level has the weight 1/2 × 1/6 × 1/(i (i + 1)). All weights together are 1, so when run R may
// speak only with evidence of 1 / (alpha × weight(R)), the chance that any run of the period ever does so
// without cause is at most alpha (union bound over Ville's inequality). The price is the logarithm of time: a
// side that goes bad on the seventh day needs about three times the failures to be caught that it needs on
// the first.
//
// After a restart in the middle of a period nothing is known of what ran before; the runs begun then have the
// weights that the next ones of their levels would have had, and the whole's weight is not used again.
#pragma once

#include <array>
#include <cstdint>

#include "base/clock.h"
#include "rollout/odds_test.h"
#include "shm/rollout_statistics.h"

namespace banyan::rollout {

// What is compared.
enum class Check : uint8_t { errors, p50, p99 };
inline constexpr size_t kChecks = 3;
std::string_view check_name(Check check);  // "errors"

// Which of a stratum's requests are slow: those in the upper half, or the upper hundredth, of both sides
// together, as near as buckets allow. Which bucket it is may depend on everything but which side a request
// was on. (Mood's median test, for any quantile.)
Stratum slow_stratum(const shm::RolloutTotals& totals, double quantile);

class Evidence {
 public:
  // A period that begins now.
  explicit Evidence(Millis window);
  // One that has lasted `elapsed` before anybody was here to look.
  Evidence(Millis window, Millis elapsed);

  // What was counted since the last call, `elapsed` since the period began (never less than before).
  void add(const shm::RolloutTotals& totals, Millis elapsed);

  // One run's case against native: evidence in favour of "worse", after its weight.
  struct Case {
    double log_evidence = 0;                   // says something from log(1 / alpha) on
    const shm::RolloutTotals* sums = nullptr;  // what it rests on; valid until the next add()
  };
  static constexpr size_t kLevels = 6;
  std::array<Case, kLevels + 1> cases(Check check) const;

  // All since the period began, or since this was made.
  const shm::RolloutTotals& sums() const { return sums_; }

 private:
  struct Run {
    double log_weight = 0;
    uint64_t number = 0;  // of its level; 0: has not begun
    std::array<OddsTest, kChecks> tests;
    shm::RolloutTotals sums;
  };
  struct Pending {
    shm::RolloutTotals totals;
    Millis since{0};
  };

  void begin_run(size_t level, uint64_t number);
  void begin_due_runs(Millis elapsed);
  void gather(Pending& pending, const shm::RolloutTotals& totals, Millis elapsed, uint64_t enough,
              void (Evidence::*close)(const shm::RolloutTotals&));
  void close_errors(const shm::RolloutTotals& totals);
  void close_latencies(const shm::RolloutTotals& totals);
  void add_stratum(Check check, const Stratum& stratum);

  Millis window_;
  bool whole_;  // whether anybody was here from the beginning
  shm::RolloutTotals sums_;
  std::array<OddsTest, kChecks> whole_tests_;
  std::array<Run, kLevels> runs_;
  Pending errors_;
  Pending latencies_;
};

}  // namespace banyan::rollout
