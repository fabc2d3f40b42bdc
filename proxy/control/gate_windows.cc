#include "control/gate_windows.h"

#include <algorithm>
#include <array>

#include "base/check.h"

namespace banyan::control {
namespace {

constexpr int64_t kSlices = 10;
constexpr Millis kUngatedWindow = std::chrono::minutes(10);
constexpr Millis kSettle = std::chrono::seconds(10);

Millis window_of(const config::Rollout& rollout) {
  return rollout.gate ? rollout.gate->window : kUngatedWindow;
}

// The window: slices of a tenth of it, one more than ten because the newest is being filled.
class SlidingSums {
 public:
  explicit SlidingSums(Millis window) : slice_(std::max(window / kSlices, Millis(1))) {}

  void add(const shm::RolloutTotals& totals, Millis elapsed) {
    const int64_t number = elapsed / slice_;
    Slice& slice = place(number);
    if (slice.number != number) slice = {number, {}};
    slice.totals += totals;
  }

  shm::RolloutTotals sums(Millis elapsed) const {
    const int64_t newest = elapsed / slice_;
    shm::RolloutTotals sums;
    for (const Slice& slice : slices_) {
      if (slice.number >= 0 && slice.number <= newest && slice.number >= newest - kSlices)
        sums += slice.totals;
    }
    return sums;
  }

 private:
  struct Slice {
    int64_t number = -1;
    shm::RolloutTotals totals;
  };
  Slice& place(int64_t number) { return slices_[static_cast<size_t>(number) % slices_.size()]; }

  Millis slice_;
  std::array<Slice, kSlices + 1> slices_;
};

// What a period has, once it has had a request: some 60 KiB.
struct Period {
  Period(Millis window, rollout::Evidence begun) : recent(window), evidence(std::move(begun)) {}
  SlidingSums recent;
  rollout::Evidence evidence;
};

}  // namespace

struct GateWindows::Watch {
  config::Rollout rollout;
  uint32_t number = 0;        // in the directory
  WallTime moved{};           // when the period began
  bool seen_begin = true;     // somebody was here then
  Millis elapsed{0};          // of the period; never goes back
  bool settled = false;       // requests count
  shm::RolloutTotals before;  // all of them up to the last sample
  std::unique_ptr<Period> period;
};

GateWindows::GateWindows(const shm::Segment& segment, shm::Directory& directory, const Clock& clock)
    : segment_(segment), directory_(directory), clock_(clock), born_(clock.wall()) {}

GateWindows::~GateWindows() = default;

void GateWindows::adopt(const std::vector<config::Rollout>& rollouts) {
  auto old = std::exchange(watches_, {});
  for (const config::Rollout& rollout : rollouts) {
    std::unique_ptr<Watch>& watch = watches_[rollout.name];
    auto found = old.find(rollout.name);
    if (found != old.end()) watch = std::move(found->second);
    const bool is_new = !watch;
    if (is_new) watch = std::make_unique<Watch>();
    const bool same = !is_new && window_of(watch->rollout) == window_of(rollout);
    watch->rollout = rollout;
    watch->number = directory_.find(shm::Kind::rollout, rollout.name);
    if (is_new) begin_period(*watch, clock_.wall());
    if (!same) {
      watch->period.reset();
      watch->seen_begin = is_new;
    }
  }
}

void GateWindows::begin_period(Watch& watch, WallTime moved) const {
  watch.moved = moved;
  watch.seen_begin = moved >= born_;
  watch.elapsed = Millis(0);
  watch.settled = false;
  watch.period.reset();
}

void GateWindows::sample() {
  for (auto& [name, watch] : watches_) take_in(*watch);
}

void GateWindows::take_in(Watch& watch) const {
  const auto age = std::chrono::duration_cast<Millis>(clock_.wall() - watch.moved);
  watch.elapsed = std::max(watch.elapsed, age);
  const shm::RolloutTotals now = shm::total_statistics(segment_, watch.number);
  const shm::RolloutTotals between = shm::difference(now, watch.before);
  watch.before = now;
  const Millis window = window_of(watch.rollout);
  if (!std::exchange(watch.settled, watch.settled || watch.elapsed >= std::min(kSettle, window / kSlices)))
    return;
  if (between == shm::RolloutTotals()) return;
  if (!watch.period) {
    watch.period = std::make_unique<Period>(
        window, watch.seen_begin ? rollout::Evidence(window) : rollout::Evidence(window, watch.elapsed));
  }
  watch.period->recent.add(between, watch.elapsed);
  watch.period->evidence.add(between, watch.elapsed);
}

GateWindows::Watch& GateWindows::find(std::string_view name) const {
  auto found = watches_.find(name);
  CHECK(found != watches_.end());
  return *found->second;
}

void GateWindows::follow(std::string_view name, WallTime moved) {
  Watch& watch = find(name);
  if (moved != WallTime{} && moved != watch.moved) begin_period(watch, moved);
}

rollout::Judgement GateWindows::look(std::string_view name) const {
  const Watch& watch = find(name);
  const Millis window = window_of(watch.rollout);
  const shm::RolloutTotals recent =
      watch.period ? watch.period->recent.sums(watch.elapsed) : shm::RolloutTotals();
  if (watch.rollout.gate) {
    const rollout::Evidence none(window);
    return rollout::judge(*watch.rollout.gate, rollout::periods(watch.rollout), recent,
                          watch.period ? watch.period->evidence : none);
  }
  rollout::Judgement judgement = rollout::numbers_only(window, recent);
  judgement.verdict = rollout::Verdict::pass;
  judgement.reason = "no gate";
  return judgement;
}

}  // namespace banyan::control
