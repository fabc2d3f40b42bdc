#include "shm/processes.h"

#include <fmt/format.h>

#include "base/check.h"

namespace banyan::shm {

std::string_view process_state_name(ProcessState state) {
  switch (state) {
    case ProcessState::none:
      return "none";
    case ProcessState::starting:
      return "starting";
    case ProcessState::ready:
      return "ready";
    case ProcessState::draining:
      return "draining";
  }
  return "none";
}

std::string process_name(uint32_t slot) {
  if (slot == kMasterSlot) return "master";
  if (slot == kControllerSlot) return "controller";
  return fmt::format("worker/{}", slot - kFirstWorkerSlot);
}

std::vector<ProcessView> list_processes(const Segment& segment) {
  const Layout& layout = segment.layout();
  const uint32_t slots = worker_slot(layout.header.workers.load(std::memory_order_acquire));
  std::vector<ProcessView> views;
  for (uint32_t i = 0; i < slots; ++i) {
    const ProcessSlot& slot = layout.processes[i];
    ProcessView view;
    view.slot = i;
    view.state = static_cast<ProcessState>(slot.state.load(std::memory_order_acquire));
    if (view.state == ProcessState::none) continue;
    view.pid = slot.pid.load(std::memory_order_relaxed);
    view.generation = slot.generation.load(std::memory_order_relaxed);
    view.restarts = slot.restarts.load(std::memory_order_relaxed);
    view.started = WallTime(Millis(slot.started.load(std::memory_order_relaxed)));
    view.connections = slot.connections.load(std::memory_order_relaxed);
    view.requests = slot.requests.load(std::memory_order_relaxed);
    view.loop_lag = std::chrono::microseconds(slot.loop_lag.load(std::memory_order_relaxed));
    views.push_back(view);
  }
  return views;
}

void announce_process(Segment& segment, uint32_t slot, uint32_t pid, uint32_t generation, WallTime now) {
  CHECK(slot < kSlots);
  Layout& layout = segment.layout();
  ProcessSlot& process = layout.processes[slot];
  process.pid.store(pid, std::memory_order_relaxed);
  process.generation.store(generation, std::memory_order_relaxed);
  const auto since_epoch = std::chrono::duration_cast<Millis>(now.time_since_epoch());
  process.started.store(static_cast<uint64_t>(since_epoch.count()), std::memory_order_relaxed);
  set_process_state(segment, slot, ProcessState::starting);
  if (slot < kFirstWorkerSlot) return;
  const uint32_t workers = slot - kFirstWorkerSlot + 1;
  uint32_t known = layout.header.workers.load(std::memory_order_relaxed);
  while (known < workers && !layout.header.workers.compare_exchange_weak(known, workers)) {
  }
}

void set_process_state(Segment& segment, uint32_t slot, ProcessState state) {
  CHECK(slot < kSlots);
  segment.layout().processes[slot].state.store(static_cast<uint32_t>(state), std::memory_order_release);
}

uint64_t process_life(const Segment& segment, uint32_t slot) {
  const ProcessSlot& process = segment.layout().processes[slot];
  // Pids have 22 bits at most; 42 bits of milliseconds reach into the year 2109.
  return uint64_t{process.pid.load(std::memory_order_relaxed)} << 42 |
         process.started.load(std::memory_order_relaxed);
}

}  // namespace banyan::shm
