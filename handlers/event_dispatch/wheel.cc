#include "handlers/event_dispatch/wheel.h"

#include <algorithm>

namespace banyan::handlers {

Wheel::Wheel() {
  for (WheelEntry& slot : slots_) slot.previous_in_wheel_ = slot.next_in_wheel_ = &slot;
}

void Wheel::link(WheelEntry& slot, WheelEntry& entry) {
  entry.previous_in_wheel_ = slot.previous_in_wheel_;
  entry.next_in_wheel_ = &slot;
  slot.previous_in_wheel_->next_in_wheel_ = &entry;
  slot.previous_in_wheel_ = &entry;
}

void Wheel::unlink(WheelEntry& entry) {
  entry.previous_in_wheel_->next_in_wheel_ = entry.next_in_wheel_;
  entry.next_in_wheel_->previous_in_wheel_ = entry.previous_in_wheel_;
  entry.previous_in_wheel_ = entry.next_in_wheel_ = nullptr;
}

void Wheel::move_all(WheelEntry& from, WheelEntry& to) {
  to.previous_in_wheel_ = to.next_in_wheel_ = &to;
  if (from.next_in_wheel_ == &from) return;
  to.next_in_wheel_ = from.next_in_wheel_;
  to.previous_in_wheel_ = from.previous_in_wheel_;
  to.next_in_wheel_->previous_in_wheel_ = to.previous_in_wheel_->next_in_wheel_ = &to;
  from.previous_in_wheel_ = from.next_in_wheel_ = &from;
}

void Wheel::put(WheelEntry& entry, Millis delay) {
  if (entry.previous_in_wheel_) {
    unlink(entry);
  } else {
    ++size_;
  }
  entry.due_ = now_ + static_cast<uint32_t>(std::max<int64_t>(delay / kTick, 1));
  link(slots_[entry.due_ % kSlots], entry);
}

void Wheel::take_out(WheelEntry& entry) {
  if (!entry.previous_in_wheel_) return;
  unlink(entry);
  --size_;
}

}  // namespace banyan::handlers
