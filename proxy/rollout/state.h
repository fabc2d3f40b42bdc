// The live side of a rollout: what the controller writes into the rollout's cell and every worker reads with
// each decision.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <type_traits>

#include "shm/segment.h"

namespace banyan::rollout {

// What the live percentage comes from, and what a schedule is doing: the state of a rollout, as operators see
// it. Numbers are in shared memory: append only. How one becomes another is in transitions.cc.
enum class Phase : uint8_t {
  file,      // no live value: the configuration's percent counts
  set,       // `rollout set`, where there are no steps
  aborted,   // to 0
  promoted,  // to 100
  damaged,   // the state file could not be read: 0 until somebody says otherwise
  // of a schedule
  waiting,      // for its start, or for somebody to approve the next step
  holding,      // a step's hold time runs
  advancing,    // hold time is over: the next step comes when the gate passes and no freeze is on
  paused,       // by order, by `set`, or by a failed gate
  soaking,      // the last step was taken and is still watched
  done,         // and is not watched any more
  rolled_back,  // a gate failed: at 0, or on its way there
};
inline constexpr size_t kPhases = 12;
std::string_view phase_name(Phase phase);  // "file"
std::optional<Phase> parse_phase(std::string_view name);

struct State {
  Phase phase = Phase::file;  // zero bytes mean: no live value
  uint8_t reserved[3] = {};
  uint32_t percent = 0;     // live value, hundredths of a percent; without meaning in Phase::file
  uint64_t sequence = 0;    // number of the order that made it, as in the journal
  uint64_t changed_at = 0;  // milliseconds since 1970
  uint64_t room[8] = {};    // zero; for schedule and gate
  bool live() const { return phase != Phase::file; }
};
static_assert(std::is_trivially_copyable_v<State> && sizeof(State) == 88);

using StateCell = shm::Cell<State>;

// REQUIRES: index is the rollout's number in the directory.
inline StateCell& state_cell(const shm::Segment& segment, uint32_t index) {
  return segment.rollout_cell<State>(index);
}

}  // namespace banyan::rollout
