// What a configuration says of rollouts; see schema.h.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "config/values.h"

namespace banyan::config {

using namespace std::chrono_literals;  // NOLINT: as in schema.h

// Lets trusted clients ask for a side.
struct Force {
  std::string header = "X-Banyan-Side";
  std::vector<Cidr> from;
  bool operator==(const Force&) const = default;
};

// steps = [{ percent = 10, hold = "7d" }, ...]
struct RolloutStep {
  uint32_t percent = 0;  // 1 to 10000, more than the step before
  Millis hold = 0ms;     // how long it lasts at least; of the last step: the soak
  bool approve = false;  // is taken only after "banyanctl rollout step"
  Where where;
  bool operator==(const RolloutStep&) const = default;
};

enum class Weekday : uint8_t { mon, tue, wed, thu, fri, sat, sun };

// Hours in which nobody is raised: they begin on each of the days at `from` and end at `to`, on the next day
// if that is not later.
struct Freeze {
  std::vector<Weekday> days;         // empty: every day
  std::chrono::minutes from = 0min;  // since midnight of the zone, 0 to 24 h; never equal to `to`
  std::chrono::minutes to = 24h;
  std::string tz = "UTC";  // IANA name, known to the system
  bool operator==(const Freeze&) const = default;
};

// How native is judged against legacy.
struct Gate {
  uint32_t min_requests = 100;        // of each side, within the window
  Millis window = 10min;              // how far back statistics count
  uint32_t error_rate_increase = 50;  // most that native's error rate may be above legacy's: percentage
                                      // points, as hundredths (0.5 is 1.5 % against 1.0 %)
  std::optional<double> p50_ratio;    // most that native's p50 may be of legacy's; none: not judged
  std::optional<double> p99_ratio;
  double alpha = 0.05;  // most probable share of A/A rollouts that ever fail
  bool operator==(const Gate&) const = default;
};

// Who is told of each change of state: the url, the command, or both.
struct RolloutHook {
  std::string url;                                           // http or https; empty: none
  std::vector<std::pair<std::string, std::string>> headers;  // sent with it
  Secret secret;                                             // signs the body, HMAC-SHA256; empty: not signed
  std::vector<std::string> command;  // program (absolute) and arguments, no shell; empty: none
  Millis timeout = 10s;              // of one attempt
  uint32_t attempts = 5;             // with growing pauses between them
  bool operator==(const RolloutHook&) const = default;
};

struct Rollout {
  enum class OnFail { rollback, step_back, pause };
  std::string name;
  Target legacy;                                  // upstream or handler
  Target native;                                  // upstream or handler
  uint32_t percent = 0;                           // 0 to 10000; the start value, the live one wins
  std::string salt;                               // after loading never empty (the name)
  std::vector<ClientKey> sticky = {ClientKey{}};  // the first that is present
  bool fallback = true;
  uint32_t fallback_budget = 2000;  // fallbacks as a share of the requests, hundredths of a percent
  bool assign_cookie = false;
  std::optional<Force> force;
  std::vector<RolloutStep> steps;  // empty: no schedule, only orders change the percentage
  Millis soak = 0ms;               // after the last step
  std::optional<WallTime> start;   // of the first step; none: at once
  std::vector<Freeze> freeze;
  std::optional<Gate> gate;  // none: nothing is judged, steps advance by time alone
  OnFail on_fail = OnFail::rollback;
  std::optional<Rate> rollback_rate;  // percentage points per period, count never 0; none: at once
  std::optional<RolloutHook> on_event;
  Rate close_rate = {100, 1s};  // long-lived connections that are closed after a change; count 0: never
  Where where;
  bool operator==(const Rollout&) const = default;
};

}  // namespace banyan::config
