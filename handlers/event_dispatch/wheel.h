// When which subscriber wants to be looked at: a wheel of lists, one for each tenth of a second, in place of
// a timer for each. Every subscriber is in one of them, so the wheel is also the list of them all.
#pragma once

#include <array>
#include <cstdint>

#include "base/clock.h"

namespace banyan::handlers {

class Wheel;

class WheelEntry {
 private:
  friend class Wheel;
  WheelEntry* previous_in_wheel_ = nullptr;  // null: in no wheel
  WheelEntry* next_in_wheel_ = nullptr;
  uint32_t due_ = 0;
};

class Wheel {
 public:
  static constexpr Millis kTick{100};

  Wheel();
  Wheel(const Wheel&) = delete;
  Wheel& operator=(const Wheel&) = delete;

  // To be looked at in `delay` from now on; moves one that is in the wheel. A tick at least.
  void put(WheelEntry& entry, Millis delay);
  void take_out(WheelEntry& entry);
  bool empty() const { return size_ == 0; }
  size_t size() const { return size_; }
  // Ticks so far.
  uint32_t now() const { return now_; }

  // One tick later: calls `visit(entry)` for all that are due; visit() may put or take out any.
  template <class Visit>
  void tick(Visit visit) {
    WheelEntry& slot = slots_[++now_ % kSlots];
    WheelEntry mine;  // what is put anew must not be looked at again
    move_all(slot, mine);
    while (mine.next_in_wheel_ != &mine) {
      WheelEntry& entry = *mine.next_in_wheel_;
      unlink(entry);
      link(slots_[entry.due_ % kSlots], entry);
      if (entry.due_ == now_) visit(entry);
    }
  }

  // Calls `visit(entry)` for each that is there, once; visit() may take out or put any.
  template <class Visit>
  void each(Visit visit) {
    WheelEntry all;
    all.previous_in_wheel_ = all.next_in_wheel_ = &all;
    for (WheelEntry& slot : slots_) {
      while (slot.next_in_wheel_ != &slot) {
        WheelEntry& entry = *slot.next_in_wheel_;
        unlink(entry);
        link(all, entry);
      }
    }
    while (all.next_in_wheel_ != &all) {
      WheelEntry& entry = *all.next_in_wheel_;
      unlink(entry);
      link(slots_[entry.due_ % kSlots], entry);
      visit(entry);
    }
  }

 private:
  static constexpr uint32_t kSlots = 256;
  static void link(WheelEntry& slot, WheelEntry& entry);
  static void unlink(WheelEntry& entry);
  static void move_all(WheelEntry& from, WheelEntry& to);

  std::array<WheelEntry, kSlots> slots_;  // heads of circular lists
  uint32_t now_ = 0;
  size_t size_ = 0;
};

}  // namespace banyan::handlers
