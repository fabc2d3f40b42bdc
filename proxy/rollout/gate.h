// The gate: is native as good as legacy? A pure function of what both sides did.
//
//   fail   native is worse than the options allow, and that this is chance can be ruled out
//   pass   both sides had min_requests within the window, what they did there is within the options, and
//          nothing fails
//   hold   anything else: too few requests on a side, nothing to compare, over the limit but not surely
//
// What is promised: a schedule whose two sides are equal fails with probability at most `alpha` over all its
// steps together, however long they last and however often the verdict is asked for. `alpha` is divided
// equally between the steps at which both sides have traffic (periods()), within a step between what is
// checked (half for errors, half for latencies), and then between the runs of Evidence. Orders by hand begin
// a period of their own with one step's share. What the test takes for granted is said in odds_test.h.
//
// `pass` carries no such promise. It says that nothing speaks against going on; a native side that is worse
// may pass until there is enough evidence, and the next step fails with what comes then.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "config/schema.h"
#include "rollout/evidence.h"
#include "rollout/verdict.h"

namespace banyan::rollout {

// What one side did within the window.
struct SideNumbers {
  uint64_t requests = 0;
  uint64_t errors = 0;
  double error_rate = 0;  // 0 to 1
  double p50 = 0;         // seconds; 0 without timed requests
  double p99 = 0;
  bool operator==(const SideNumbers&) const = default;
};

struct CheckResult {
  Check check = Check::errors;
  // Error rates, or seconds, and how many requests they rest on: those of the window, or when the check fails
  // those of the run that says so, which may be longer.
  double native = 0;
  double legacy = 0;
  uint64_t native_requests = 0;
  uint64_t legacy_requests = 0;
  double excess = 0;  // native − legacy in percentage points, or native / legacy
  double limit = 0;   // of excess
  bool over = false;  // excess > limit
  // The case for "worse" that is strongest, as the chance that equal sides ever look like that: 1 / evidence
  // after all weights, at most 1. Failing needs alpha, its share of it.
  double chance = 1;
  double alpha = 0;
  bool failed = false;
};

struct Judgement {
  Verdict verdict = Verdict::hold;
  std::string reason;  // one line for people, with the numbers
  Millis window{0};
  SideNumbers legacy;
  SideNumbers native;
  uint64_t diverted = 0;            // native's requests that legacy took because native was down
  std::vector<CheckResult> checks;  // what the gate's options ask for; empty without a gate
};

// What both sides did within the window, judged by nobody: hold, without reason and checks.
Judgement numbers_only(Millis window, const shm::RolloutTotals& totals);

// How many steps of the schedule have traffic on both sides: those below 100%; at least 1.
uint32_t periods(const config::Rollout& rollout);

// Judges both sides by their sums within the window and the evidence of the period, of which one of `periods`
// parts of alpha may be used.
Judgement judge(const config::Gate& gate, uint32_t periods, const shm::RolloutTotals& window,
                const Evidence& evidence);

}  // namespace banyan::rollout
