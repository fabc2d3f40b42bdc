#include "handlers/event_dispatch/out_queue.h"

#include <algorithm>

namespace banyan::handlers {

void OutQueue::add(RunPart part) {
  bytes_ += part.size();
  messages_ += part.messages();
  parts_.push_back(std::move(part));
}

void OutQueue::add_in_front(RunPart part) {
  bytes_ += part.size();
  messages_ += part.messages();
  parts_.insert(parts_.begin() + head_ + pinned_, std::move(part));
}

size_t OutQueue::gather(std::span<iovec> parts) const {
  const size_t count = std::min(parts.size(), parts_.size() - head_);
  for (size_t i = 0; i < count; ++i) {
    const RunPart& part = parts_[head_ + i];
    parts[i] = {part.run->bytes.data() + part.begin, part.size()};
  }
  return count;
}

size_t OutQueue::size_of_first() const {
  const RunPart& front = parts_[head_];
  return front.run->end_of_message(front.begin) - front.run->begin_of_message(front.begin);
}

void OutQueue::pop_front() {
  parts_[head_].run = RunRef();
  ++head_;
  if (pinned_ > 0) --pinned_;
  compact();
}

// Drained queues are thrown away whole; a long one that never drains gives back what it has sent.
void OutQueue::compact() {
  if (head_ < 64 || head_ * 2 < parts_.size()) return;
  parts_.erase(parts_.begin(), parts_.begin() + head_);
  head_ = 0;
}

void OutQueue::sent(size_t bytes, size_t offered, bool sealed) {
  bytes_ -= bytes;
  while (bytes > 0) {
    RunPart& front = parts_[head_];
    const auto taken = static_cast<uint32_t>(std::min<size_t>(bytes, front.size()));
    messages_ -= front.run->messages(front.begin, front.begin + taken);
    front.begin += taken;
    bytes -= taken;
    if (front.size() > 0) break;
    pop_front();
    if (offered > 0) --offered;
  }
  if (empty()) return;
  if (sealed) {
    pinned_ = std::max(pinned_, static_cast<uint32_t>(offered));
  } else {
    pin_begun_message();
  }
}

// Splits the first part behind the message that has begun to go out.
void OutQueue::pin_begun_message() {
  if (pinned_ > 0) return;
  const RunPart& front = parts_[head_];
  if (front.run->begin_of_message(front.begin) == front.begin) return;
  const uint32_t end = front.run->end_of_message(front.begin);
  if (end < front.end) {
    RunPart rest{front.run, end, front.end};
    parts_[head_].end = end;
    parts_.insert(parts_.begin() + head_ + 1, std::move(rest));
  }
  pinned_ = 1;
}

void OutQueue::count_in(uint64_t& held) const {
  for (size_t i = head_; i < parts_.size(); ++i) parts_[i].run.count_in(held);
}

uint64_t OutQueue::drop_oldest(uint64_t bytes, uint64_t messages) {
  uint64_t dropped = 0;
  size_t place = head_ + pinned_;
  while (place < parts_.size() && (bytes_ > bytes || messages_ > messages)) {
    RunPart& part = parts_[place];
    const uint32_t end = std::min(part.run->end_of_message(part.begin), part.end);
    bytes_ -= end - part.begin;
    --messages_;
    ++dropped;
    part.begin = end;
    if (part.size() == 0) ++place;
  }
  // What is pinned moves up to the rest, and not the rest down: a queue that is always full loses one message
  // for each that comes.
  const size_t gone = place - head_ - pinned_;
  for (size_t i = pinned_; gone > 0 && i > 0; --i) {
    parts_[head_ + i - 1 + gone] = std::move(parts_[head_ + i - 1]);
  }
  for (size_t i = 0; i < gone; ++i) parts_[head_ + i].run = RunRef();
  head_ += static_cast<uint32_t>(gone);
  compact();
  return dropped;
}

}  // namespace banyan::handlers
