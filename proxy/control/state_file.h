// rollouts.json: the live percentages, the truth of every rollout that was ever given an order.
//
//   {"version": 2, "sequence": 17,
//    "rollouts": {"content": {"phase": "holding", "percent": 37.25, "sequence": 17, "who": "anna",
//                             "why": "looks good", "changed": "2026-11-21T01:23:28.123Z",
//                             "target": 37.25, "taken": 1, "held_ms": 0, "since": "2026-11-21T…",
//                             "hold_since": "2026-11-21T…", "moved": "2026-11-21T…"}}}
//
// Version 1 had neither schedules nor their six keys, and is still read.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "rollout/schedule.h"

namespace banyan::control {

// What holds of a rollout, and who made it so.
struct LiveValue {
  rollout::Progress progress;  // in Phase::file without meaning
  uint64_t sequence = 0;       // of the order that made it
  WallTime changed{};
  std::string who;
  std::string why;
  rollout::Phase phase() const { return progress.phase; }
  bool live() const { return progress.phase != rollout::Phase::file; }
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
