#include "shm/event_log/ring.h"

#include "shm/words.h"

namespace banyan::shm {
namespace {

// channel 32 bits │ kind 4 bits │ size 28 bits: padding may be longer than any data.
uint64_t first_word(uint32_t channel, uint8_t kind, uint64_t size) {
  return uint64_t{channel} << 32 | uint64_t{kind} << 28 | size;
}

}  // namespace

void Ring::format() {
  head_.tail.store(size_, std::memory_order_relaxed);
  head_.reserved.store(size_, std::memory_order_relaxed);
}

Ring::Written Ring::write(const RecordHead& head, std::string_view data) {
  const uint64_t tail = head_.tail.load(std::memory_order_relaxed);
  const uint64_t length = (kHeadWords + words_for(data.size())) * 8;
  const uint64_t left = size_ - tail % size_;
  const uint64_t padding = length > left ? left : 0;
  const Written written{tail + padding, tail + padding + length};
  // A killed writer may have reserved more, and spoilt it.
  const uint64_t reserved = head_.reserved.load(std::memory_order_relaxed);
  head_.reserved.store(std::max(reserved, written.end), std::memory_order_relaxed);
  std::atomic_thread_fence(std::memory_order_release);  // before anything changes
  if (padding > 0) at(tail)->store(first_word(0, kPadding, padding), std::memory_order_relaxed);
  Word* words = at(written.position);
  words[0].store(first_word(head.channel, head.kind, data.size()), std::memory_order_relaxed);
  words[1].store(head.epoch, std::memory_order_relaxed);
  words[2].store(head.offset, std::memory_order_relaxed);
  words[3].store(head.time, std::memory_order_relaxed);
  words[4].store(head.previous, std::memory_order_relaxed);
  copy_in(words + kHeadWords, data.data(), data.size());
  return written;
}

bool Ring::is_there(uint64_t position) const {
  std::atomic_thread_fence(std::memory_order_acquire);
  return position != 0 && position + size_ >= head_.reserved.load(std::memory_order_relaxed);
}

bool Ring::read_head(uint64_t position, RecordHead& head) const {
  const Word* words = at(position);
  const uint64_t first = words[0].load(std::memory_order_relaxed);
  head.channel = static_cast<uint32_t>(first >> 32);
  head.kind = first >> 28 & 0xf;
  head.size = first & 0xfffffff;
  // What stands there may be anything by now; but nothing behind the ring may be touched.
  if (head.kind != kPadding && size_ - position % size_ >= kHeadWords * 8) {
    head.epoch = words[1].load(std::memory_order_relaxed);
    head.offset = words[2].load(std::memory_order_relaxed);
    head.time = words[3].load(std::memory_order_relaxed);
    head.previous = words[4].load(std::memory_order_relaxed);
  }
  return is_there(position);
}

bool Ring::read_data(uint64_t position, const RecordHead& head, char* to) const {
  copy_out(at(position) + kHeadWords, 0, to, head.size);
  return is_there(position);
}

uint64_t Ring::after(uint64_t position, const RecordHead& head) {
  if (head.kind == kPadding) return position + head.size;
  return position + (kHeadWords + words_for(head.size)) * 8;
}

}  // namespace banyan::shm
