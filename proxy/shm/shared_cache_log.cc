// The writing side of SharedCache: segments that are filled, and used again.
#include <bit>

#include "shm/shared_cache.h"
#include "shm/shared_cache_layout.h"

namespace banyan::shm {

bool SharedCache::append(Log& log, bool main, std::span<const uint64_t> entry, uint64_t uses) {
  const uint64_t size = entry.size() * 8;
  // Somebody else in this process's slot (the handler of another generation) may have closed the segment.
  const bool ours = log.state != 0 && states_[log.segment].load(std::memory_order_relaxed) == log.state;
  if (!ours || log.used + size > segment_size_) {
    if (ours) close(log);
    if (!open_segment(log, main) || log.used + size > segment_size_) return false;
  }
  Word* words_at = words(log.segment, log.used);
  for (size_t i = 0; i < entry.size(); ++i) words_at[i].store(entry[i], std::memory_order_relaxed);
  const Place place{generation_of(log.state), log.segment, log.used};
  log.used += size;
  if (log.used < segment_size_) words_at[entry.size()].store(0, std::memory_order_relaxed);
  publish(entry[0], place.word(), uses);
  return true;
}

void SharedCache::close(Log& log) {
  states_[log.segment].store(state_word(generation_of(log.state), 0), std::memory_order_release);
  log = {};
}

// The next segment of its ring that nobody is writing to.
bool SharedCache::open_segment(Log& log, bool main) {
  log = {};
  const uint32_t first = main ? small_ : 0;
  const uint32_t count = main ? segments_ - small_ : small_;
  Word& hand = main ? head_->main_hand : head_->small_hand;
  uint64_t state = 0;
  uint32_t segment = 0;
  for (uint32_t tries = 0; state == 0; ++tries) {
    if (tries == count) return false;
    segment = first + static_cast<uint32_t>(hand.fetch_add(1, std::memory_order_relaxed) % count);
    claim(segment, state);
  }
  const std::vector<Entry> kept = keep_used(segment, state, main ? segment_size_ / 2 : segment_size_);
  log.state = state_word(next_generation(generation_of(state)), owner_);
  log.segment = segment;
  states_[segment].store(log.state, std::memory_order_relaxed);
  std::atomic_thread_fence(std::memory_order_release);  // before anything in it changes
  words(segment, 0)->store(0, std::memory_order_relaxed);
  for (const Entry& entry : kept) append(main ? log : main_log_, true, entry, 0);
  return true;
}

bool SharedCache::claim(uint32_t segment, uint64_t& state) const {
  uint64_t expected = states_[segment].load(std::memory_order_relaxed);
  if (owner_of(expected) != 0) return false;
  const uint64_t ours = state_word(generation_of(expected), owner_);
  if (!states_[segment].compare_exchange_strong(expected, ours, std::memory_order_acquire)) return false;
  state = ours;
  return true;
}

// The entries that were asked for since they were written, `most` bytes of them. Nobody writes meanwhile.
std::vector<SharedCache::Entry> SharedCache::keep_used(uint32_t segment, uint64_t state, uint64_t most) {
  std::vector<Entry> kept;
  const uint64_t generation = generation_of(state);
  if (generation == 0) return kept;
  const uint64_t floor = head_->floor.load(std::memory_order_relaxed);
  for (uint64_t at = 0; at + kHeadWords * 8 <= segment_size_;) {
    const Word* entry = words(segment, at);
    const uint64_t hash = entry[0].load(std::memory_order_relaxed);
    if (hash == 0) break;
    const uint64_t count = EntrySizes::of(entry[1].load(std::memory_order_relaxed)).words();
    if (at + count * 8 > segment_size_) break;
    const Place place{generation, segment, at};
    at += count * 8;
    if (uses_of(hash, place.word()) == 0 || entry[2].load(std::memory_order_relaxed) < floor) continue;
    if (count * 8 > most) continue;
    most -= count * 8;
    Entry& copy = kept.emplace_back(count);
    for (uint64_t i = 0; i < count; ++i) copy[i] = entry[i].load(std::memory_order_relaxed);
  }
  return kept;
}

// 0 when the index does not lead to it any more.
uint64_t SharedCache::uses_of(uint64_t hash, uint64_t place) const {
  const Slot* set = set_of(hash);
  for (const Slot* slot = set; slot < set + kWays; ++slot) {
    if (slot->place.load(std::memory_order_relaxed) != place) continue;
    const uint64_t note = slot->tag_and_uses.load(std::memory_order_relaxed);
    return note >> 8 == tag_of(hash) ? note & 0xff : 0;
  }
  return 0;
}

// Takes the slot of the same tag, or the first of: an empty one, one whose entry is gone, one whose entry was
// not asked for, any. Two processes that take the same slot at the same time cost one of them its entry.
void SharedCache::publish(uint64_t hash, uint64_t place, uint64_t uses) {
  Slot* set = set_of(hash);
  const auto worth = [&](const Slot& slot) {
    const uint64_t held = slot.place.load(std::memory_order_relaxed);
    const uint64_t note = slot.tag_and_uses.load(std::memory_order_relaxed);
    if (held != 0 && note >> 8 == tag_of(hash)) return 0;
    if (held == 0) return 1;
    if (!is_current(held)) return 2;
    return (note & 0xff) == 0 ? 3 : 4;
  };
  Slot* taken = set + (hash >> 40) % kWays;
  for (Slot* slot = set; slot < set + kWays; ++slot) {
    if (worth(*slot) < worth(*taken)) taken = slot;
  }
  taken->tag_and_uses.store(tag_of(hash) << 8 | uses, std::memory_order_relaxed);
  taken->place.store(place, std::memory_order_release);
}

}  // namespace banyan::shm
