#include "process/stuck_watch.h"

#include <fmt/format.h>

#include <ctime>

namespace banyan::process {
namespace {

Duration processor_time(uint32_t pid) {
  clockid_t clock;
  timespec time{};
  if (clock_getcpuclockid(static_cast<pid_t>(pid), &clock) != 0 || clock_gettime(clock, &time) != 0)
    return {};
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

double seconds(Duration time) { return std::chrono::duration<double>(time).count(); }

}  // namespace

StuckWatch::StuckWatch(event::Loop& loop, const shm::Segment& segment, const Children& children,
                       Observer& observer, const Limits& limits)
    : timer_(loop, Callback::to<&StuckWatch::on_timer>(this)),
      segment_(segment),
      children_(children),
      observer_(observer),
      limits_(limits) {}

void StuckWatch::on_timer() {
  timer_.start(limits_.look);
  for (uint32_t place : children_.living()) look_at(place);
}

void StuckWatch::look_at(uint32_t place) {
  const shm::ProcessSlot& slot = segment_.layout().processes[place];
  const uint32_t pid = slot.pid.load(std::memory_order_relaxed);
  const uint64_t beat = slot.beat.load(std::memory_order_relaxed);
  Seen& seen = seen_[place];
  if (seen.pid != pid || seen.beat != beat) {
    seen = {pid, beat, 0, processor_time(pid)};
    return;
  }
  ++seen.looks;
  const Duration computed = processor_time(pid) - seen.processor_time;
  // Who starts has no beat yet, and may compute.
  const bool spins = beat != 0 && seen.looks >= limits_.looks && computed >= limits_.computed;
  if (!spins && seen.looks < limits_.most_looks) return;
  const Duration silent = limits_.look * seen.looks;
  seen = {};
  observer_.on_stuck(place,
                     fmt::format("its loop has not turned for {:.1f} s, in which it computed for {:.1f} s",
                                 seconds(silent), seconds(computed)));
}

}  // namespace banyan::process
