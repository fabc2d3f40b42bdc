#include "rollout/gate.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "config/units.h"

namespace banyan::rollout {
namespace {

double quantile_of(Check check) { return check == Check::p50 ? 0.5 : 0.99; }

double value_of(Check check, const shm::SideTotals& totals) {
  return check == Check::errors ? totals.error_rate() : totals.quantile(quantile_of(check));
}

// How much worse native is: percentage points, or times. No latency to compare with: not worse.
double excess_of(Check check, const shm::RolloutTotals& totals) {
  const double native = value_of(check, totals.native);
  const double legacy = value_of(check, totals.legacy);
  if (check == Check::errors) return (native - legacy) * 100;
  return legacy > 0 ? native / legacy : 1;
}

double limit_of(Check check, const config::Gate& gate) {
  switch (check) {
    case Check::errors:
      return gate.error_rate_increase / 100.0;
    case Check::p50:
      return gate.p50_ratio.value_or(0);
    case Check::p99:
      return gate.p99_ratio.value_or(0);
  }
  return 0;
}

std::vector<Check> checks_of(const config::Gate& gate) {
  std::vector<Check> checks = {Check::errors};
  if (gate.p50_ratio) checks.push_back(Check::p50);
  if (gate.p99_ratio) checks.push_back(Check::p99);
  return checks;
}

// Errors have half of what there is, latencies share the other half.
double alpha_of(Check check, const std::vector<Check>& checks, double alpha) {
  if (checks.size() == 1) return alpha;
  return check == Check::errors ? alpha / 2 : alpha / 2 / static_cast<double>(checks.size() - 1);
}

bool has_enough(const config::Gate& gate, const shm::RolloutTotals& totals) {
  return std::min(totals.native.requests(), totals.legacy.requests()) >= gate.min_requests;
}

void measure(const config::Gate& gate, const shm::RolloutTotals& totals, CheckResult& result) {
  result.native = value_of(result.check, totals.native);
  result.legacy = value_of(result.check, totals.legacy);
  result.native_requests = totals.native.requests();
  result.legacy_requests = totals.legacy.requests();
  result.excess = excess_of(result.check, totals);
  result.limit = limit_of(result.check, gate);
  result.over = result.excess > result.limit;
}

CheckResult examine(Check check, const config::Gate& gate, double alpha, const shm::RolloutTotals& window,
                    const Evidence& evidence) {
  CheckResult result;
  result.check = check;
  result.alpha = alpha;
  measure(gate, window, result);
  double strongest = -std::log(alpha);
  for (const Evidence::Case& one : evidence.cases(check)) {
    if (!one.sums) continue;
    result.chance = std::min(result.chance, std::exp(-one.log_evidence));
    if (one.log_evidence < strongest || !has_enough(gate, *one.sums)) continue;
    if (excess_of(check, *one.sums) <= limit_of(check, gate)) continue;
    strongest = one.log_evidence;
    result.failed = true;
    measure(gate, *one.sums, result);
  }
  return result;
}

std::string milliseconds(double seconds) { return fmt::format("{:.4g} ms", seconds * 1000); }

std::string text_of(const CheckResult& result) {
  if (result.check == Check::errors) {
    return fmt::format("error rate {:.2f}% against {:.2f}% ({:+.2f} points, {:g} allowed)",
                       result.native * 100, result.legacy * 100, result.excess, result.limit);
  }
  return fmt::format("{} {} against {} ({:.2f} times, {:g} allowed)", check_name(result.check),
                     milliseconds(result.native), milliseconds(result.legacy), result.excess, result.limit);
}

// What a failed check rests on.
std::string basis_text(const CheckResult& result) {
  return fmt::format("in {} native and {} legacy requests, by chance at most once in {:.0f}",
                     result.native_requests, result.legacy_requests, std::min(1 / result.chance, 1e9));
}

std::string requests_text(const Judgement& judgement) {
  return fmt::format("{} native and {} legacy requests within {}", judgement.native.requests,
                     judgement.legacy.requests, config::format_duration(judgement.window));
}

std::string join(const std::vector<CheckResult>& checks, bool with_basis,
                 bool (*wanted)(const CheckResult&)) {
  std::string text;
  for (const CheckResult& check : checks) {
    if (!wanted(check)) continue;
    if (!text.empty()) text += "; ";
    text += text_of(check);
    if (with_basis) text += " " + basis_text(check);
  }
  return text;
}

// So much of native's share went to legacy that a good look at native was not possible.
bool was_down(const Judgement& judgement, const config::Gate& gate) {
  const auto all = static_cast<double>(judgement.diverted + judgement.native.requests);
  return static_cast<double>(judgement.diverted) * 10000 > gate.error_rate_increase * all;
}

SideNumbers numbers_of(const shm::SideTotals& totals) {
  return {totals.requests(), totals.errors(), totals.error_rate(), totals.quantile(0.5),
          totals.quantile(0.99)};
}

void decide(const config::Gate& gate, const shm::RolloutTotals& window, Judgement& judgement) {
  const auto failed = [](const CheckResult& check) { return check.failed; };
  const auto over = [](const CheckResult& check) { return check.over; };
  const auto any = [](const CheckResult&) { return true; };
  const std::vector<CheckResult>& checks = judgement.checks;
  const std::string requests = requests_text(judgement);
  if (std::any_of(checks.begin(), checks.end(), failed)) {
    judgement.verdict = Verdict::fail;
    judgement.reason = "native is worse: " + join(checks, true, failed);
  } else if (judgement.native.requests == 0 && judgement.legacy.requests == 0 && judgement.diverted == 0) {
    judgement.reason = "no requests within " + config::format_duration(judgement.window);
  } else if (was_down(judgement, gate)) {
    judgement.reason =
        fmt::format("native was down: legacy took {} of its requests; {}", judgement.diverted, requests);
  } else if (!has_enough(gate, window)) {
    judgement.reason = fmt::format("too few to judge: {}, {} needed of each", requests, gate.min_requests);
  } else if (std::any_of(checks.begin(), checks.end(), over)) {
    judgement.reason = fmt::format("may be worse: {}; {}", join(checks, false, over), requests);
  } else {
    judgement.verdict = Verdict::pass;
    judgement.reason = fmt::format("{}; {}", join(checks, false, any), requests);
  }
}

}  // namespace

Judgement numbers_only(Millis window, const shm::RolloutTotals& totals) {
  Judgement judgement;
  judgement.window = window;
  judgement.legacy = numbers_of(totals.legacy);
  judgement.native = numbers_of(totals.native);
  judgement.diverted = totals.native.count(shm::Ending::diverted);
  return judgement;
}

uint32_t periods(const config::Rollout& rollout) {
  const auto both = std::count_if(rollout.steps.begin(), rollout.steps.end(),
                                  [](const config::RolloutStep& step) { return step.percent < 10000; });
  return std::max(static_cast<uint32_t>(both), 1u);
}

Judgement judge(const config::Gate& gate, uint32_t periods, const shm::RolloutTotals& window,
                const Evidence& evidence) {
  Judgement judgement = numbers_only(gate.window, window);
  const std::vector<Check> checks = checks_of(gate);
  for (Check check : checks) {
    const double alpha = alpha_of(check, checks, gate.alpha / periods);
    judgement.checks.push_back(examine(check, gate, alpha, window, evidence));
  }
  decide(gate, window, judgement);
  return judgement;
}

}  // namespace banyan::rollout
