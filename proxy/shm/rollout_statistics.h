// What both sides of a rollout did: how requests ended and how long they took. The gate's only source.
//
// Each worker counts in its own area of the segment; numbers only grow, so a worker killed at any instruction
// loses nothing and its successor goes on where it was. The master moves what dead workers counted to the
// retired ones (retire_statistics). A rollout's bytes are touched with its first request: RolloutMarks says
// which are, so that readers do not bring pages into being by looking.
#pragma once

#include <array>
#include <cstdint>

#include "base/clock.h"
#include "shm/labels.h"
#include "shm/latency_buckets.h"
#include "shm/layout.h"

namespace banyan::shm {

class Segment;

// How a request ended for the side it was decided for. Numbers are in shared memory: append only. Every
// request has exactly one, so the number of requests is their sum and errors are never more than requests.
enum class Ending : uint8_t {
  answered,      // with a status below 500, whatever the client thinks of it
  server_error,  // the target's own 5xx
  failed,        // no answer of the target, or a broken-off one
  timeout,       // none within the deadline
  fallback,      // native failed in one of these ways and legacy answered
  client_gone,   // the client went away or was too slow: no error, but its time counts
  diverted,      // native was down and the request went to legacy: neither side's request
};
inline constexpr size_t kEndings = 7;
static_assert(kEndings == kEndingWords && kLatencyBuckets == kLatencyWords);
std::string_view ending_name(Ending ending);  // "server_error"

// Sums of one side: of all time, or what came between two looks.
struct SideTotals {
  std::array<uint64_t, kEndings> endings{};
  std::array<uint64_t, kLatencyBuckets> latencies{};

  uint64_t count(Ending ending) const { return endings[static_cast<size_t>(ending)]; }
  // Requests that this side was given.
  uint64_t requests() const;
  // Of them those that failed: server_error, failed, timeout, fallback.
  uint64_t errors() const;
  // Share of errors, 0 to 1; 0 without requests.
  double error_rate() const;
  // Requests whose time was taken: all but tunnels and event streams.
  uint64_t timed() const;
  // In seconds, right to kLatencyError (latency_buckets.h): the smallest duration that at least the share `q`
  // of the timed requests did not exceed. 0 when there is none.
  double quantile(double q) const;

  SideTotals& operator+=(const SideTotals& other);
  bool operator==(const SideTotals&) const = default;
};

struct RolloutTotals {
  SideTotals legacy;
  SideTotals native;

  RolloutTotals& operator+=(const RolloutTotals& other);
  bool operator==(const RolloutTotals&) const = default;
};

// What was counted from `before` to `after`; what went backwards (a master killed while it moved counters)
// is 0.
RolloutTotals difference(const RolloutTotals& after, const RolloutTotals& before);

// One worker's part. Loop thread only; plain stores, no lock, no system call.
class RolloutStatistics {
 public:
  // REQUIRES: slot < kSlots, written by nobody else. The segment must outlive it.
  RolloutStatistics(Segment& segment, uint32_t slot);

  // One request of the rollout with that number in the directory has ended. REQUIRES: side is not none.
  void count(uint32_t rollout, Side side, Ending ending) {
    SideArea& area = touch(rollout, side);
    add(area.endings[static_cast<size_t>(ending)]);
  }
  // The same for one whose duration says something.
  void count(uint32_t rollout, Side side, Ending ending, Duration duration) {
    SideArea& area = touch(rollout, side);
    add(area.latencies[latency_bucket(duration)]);
    add(area.endings[static_cast<size_t>(ending)]);
  }

 private:
  static void add(Word& word) {
    word.store(word.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }
  SideArea& touch(uint32_t rollout, Side side) {
    rollout &= kRolloutNumbers - 1;
    Word& marks = marks_->words[rollout / 64];
    const uint64_t seen = marks.load(std::memory_order_relaxed);
    const uint64_t mark = uint64_t{1} << rollout % 64;
    if ((seen & mark) == 0) marks.store(seen | mark, std::memory_order_release);
    RolloutSides& sides = area_->rollouts[rollout];
    return side == Side::native ? sides.native : sides.legacy;
  }

  RolloutMarks* marks_;
  StatisticsArea* area_;
};

// The sums over all workers, living and dead, since the segment was made. No request is missing or there
// twice, even while the master moves a dead worker's. Any process.
RolloutTotals total_statistics(const Segment& segment, uint32_t rollout);

// Adds what the dead worker in that slot counted to the retired ones and empties the slot. The master, from
// Retirement::retire_slot().
void retire_statistics(Layout& layout, uint32_t slot);

}  // namespace banyan::shm
