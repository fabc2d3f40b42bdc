#include "event/timer.h"

#include <algorithm>
#include <bit>

#include "base/check.h"
#include "event/loop.h"

// Where a timer lives: the highest group of six bits in which its due tick differs from the current one gives
// the level, that group's value the slot. So all timers of a lower level are due before those of a higher
// one, and a slot of a higher level is spread over the lower ones when the current tick reaches its
// beginning.

namespace banyan::event {
namespace {

// The end of a list: `next_` of a running timer is never null, so that running() is one comparison.
Timer* end_mark() { return reinterpret_cast<Timer*>(1); }

}  // namespace

Timer::Timer(Loop& loop, Callback run) : loop_(&loop), run_(run) {}

void Timer::start(Duration delay) {
  constexpr auto kLongest =
      std::chrono::hours(24 * 365);  // more than the wheel holds would overflow the clock
  start_at(loop_->now() + std::clamp<Duration>(delay, Duration::zero(), kLongest));
}

void Timer::start_at(TimePoint when) {
  stop();
  TimerWheel& wheel = loop_->timers();
  auto ticks = std::chrono::ceil<Millis>(when - wheel.start_).count();
  due_ = std::max<uint64_t>(wheel.current_ + 1, ticks < 0 ? 0 : static_cast<uint64_t>(ticks));
  due_ = std::min(due_, wheel.current_ + (uint64_t{1} << 35));
  wheel.insert(*this);
}

void Timer::stop() {
  if (running()) loop_->timers().remove(*this);
}

TimePoint Timer::when() const {
  CHECK(running());
  return loop_->timers().time_of(due_);
}

TimerWheel::TimerWheel(TimePoint start) : start_(start) { slots_.fill(end_mark()); }

void TimerWheel::insert(Timer& timer) {
  uint64_t difference = (timer.due_ ^ current_) | 63;
  int level = (63 - std::countl_zero(difference)) / 6;
  CHECK(level < kLevels);
  int index = static_cast<int>((timer.due_ >> (6 * level)) & 63);
  timer.slot_ = static_cast<uint16_t>(level * 64 + index);
  occupied_[level] |= uint64_t{1} << index;
  Timer*& head = slots_[timer.slot_];
  timer.previous_ = nullptr;
  timer.next_ = head;
  if (head != end_mark()) head->previous_ = &timer;
  head = &timer;
}

void TimerWheel::remove(Timer& timer) {
  if (timer.previous_) {
    timer.previous_->next_ = timer.next_;
  } else {
    slots_[timer.slot_] = timer.next_;
    if (timer.next_ == end_mark() && timer.slot_ != kFiring) {
      occupied_[timer.slot_ / 64] &= ~(uint64_t{1} << (timer.slot_ % 64));
    }
  }
  if (timer.next_ != end_mark()) timer.next_->previous_ = timer.previous_;
  timer.next_ = timer.previous_ = nullptr;
}

bool TimerWheel::find_next(Expiry& expiry) const {
  for (int level = 0; level < kLevels; ++level) {
    if (!occupied_[level]) continue;
    int shift = 6 * level;
    // All occupied slots of a level lie at or after the current one: earlier ones were emptied on the way.
    int index = std::countr_zero(occupied_[level]);
    uint64_t block = current_ >> (shift + 6) << (shift + 6);
    expiry = {level, index, block + (static_cast<uint64_t>(index) << shift)};
    return true;
  }
  return false;
}

TimePoint TimerWheel::next_deadline() const {
  Expiry expiry;
  return find_next(expiry) ? time_of(expiry.at) : TimePoint::max();
}

void TimerWheel::advance(TimePoint now) {
  auto elapsed = std::chrono::floor<Millis>(now - start_).count();
  uint64_t target = elapsed < 0 ? 0 : static_cast<uint64_t>(elapsed);
  Expiry expiry;
  while (find_next(expiry) && expiry.at <= target) {
    current_ = std::max(current_, expiry.at);
    uint16_t slot = static_cast<uint16_t>(expiry.level * 64 + expiry.index);
    occupied_[expiry.level] &= ~(uint64_t{1} << expiry.index);
    Timer*& firing = slots_[kFiring];
    firing = slots_[slot];
    slots_[slot] = end_mark();
    for (Timer* timer = firing; timer != end_mark(); timer = timer->next_) timer->slot_ = kFiring;
    while (firing != end_mark()) {
      Timer& timer = *firing;
      remove(timer);
      if (timer.due_ > current_) {
        insert(timer);
      } else {
        timer.run_();
      }
    }
  }
  current_ = std::max(current_, target);
}

}  // namespace banyan::event
