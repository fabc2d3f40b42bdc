// Who lives in which slot: for /status and the metrics about processes.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "shm/segment.h"

namespace banyan::shm {

enum class ProcessState : uint32_t { none, starting, ready, draining };
std::string_view process_state_name(ProcessState state);  // "starting"

// A slot as seen at one moment.
struct ProcessView {
  uint32_t slot = 0;
  uint32_t pid = 0;
  ProcessState state = ProcessState::none;
  uint32_t generation = 0;
  uint32_t restarts = 0;
  WallTime started{};
  uint64_t connections = 0;
  uint64_t requests = 0;
  std::chrono::microseconds loop_lag{};
};

// "master", "controller", "worker/0".
std::string process_name(uint32_t slot);

// The slots with a process in them, by slot. Any process.
std::vector<ProcessView> list_processes(const Segment& segment);

// What a process writes about itself. The master calls announce() for a child before the fork or the child
// does it. REQUIRES: slot < kSlots.
void announce_process(Segment& segment, uint32_t slot, uint32_t pid, uint32_t generation, WallTime now);
void set_process_state(Segment& segment, uint32_t slot, ProcessState state);

// A number for the process that was announced last in that slot, which none before it had there; 0: none was.
uint64_t process_life(const Segment& segment, uint32_t slot);

}  // namespace banyan::shm
