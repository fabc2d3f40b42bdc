// rollouts.json: the live percentages, the truth of every rollout that was ever given an order.
//
//   {"version": 1, "sequence": 17,
//    "rollouts": {"content": {"phase": "set", "percent": 37.25, "sequence": 17, "who": "anna",
//                             "why": "looks good", "changed": "2026-11-21T01:23:28.123Z"}}}
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "rollout/state.h"

namespace banyan::control {

struct LiveValue {
  rollout::Phase phase = rollout::Phase::file;
  uint32_t percent = 0;   // hundredths of a percent; without meaning in Phase::file
  uint64_t sequence = 0;  // of the order that made it
  WallTime changed{};
  std::string who;
  std::string why;
  bool live() const { return phase != rollout::Phase::file; }
};

struct LiveValues {
  uint64_t sequence = 0;                                   // of the last order
  std::map<std::string, LiveValue, std::less<>> rollouts;  // only those with a live value
};

struct StateFile {
  // unreadable: the kernel refuses it, so nothing is known of it. damaged: it makes no sense.
  enum class Condition { missing, good, unreadable, damaged };
  Condition condition = Condition::missing;
  std::string damage;  // what is wrong, if unreadable or damaged
  LiveValues values;   // what could be read
  // Single rollouts that are there but make no sense; the rest is good.
  std::vector<std::string> damaged_rollouts;
};

// Reads it. Any bytes give an answer: not JSON, another version or another shape is `damaged`.
StateFile read_state_file(const std::string& path);

std::string state_text(const LiveValues& values);

}  // namespace banyan::control
