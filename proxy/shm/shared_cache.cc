#include "shm/shared_cache.h"

#include <bit>

#include "base/check.h"
#include "base/stable_hash.h"
#include "shm/shared_cache_layout.h"

namespace banyan::shm {
namespace {

constexpr uint64_t kIndexShare = 32;  // one part of so many
constexpr uint64_t kSmallShare = 8;
constexpr uint64_t kLeastSegment = 64 << 10, kLargestSegment = 4 << 20;
constexpr uint64_t kMostSegments = 1 << 16;
enum PurgeKind : uint64_t { exact = 1, prefix = 2 };

uint64_t hash_of(std::string_view key) { return stable_hash(key) | 1; }

}  // namespace

SharedCache::SharedCache(std::span<std::byte> region, uint32_t slot) : owner_(uint64_t{slot} + 1) {
  CHECK(region.size() >= kLeastSize);
  segment_size_ = std::clamp(std::bit_floor(region.size() / 256), kLeastSegment, kLargestSegment);
  sets_ = std::bit_floor(region.size() / kIndexShare / (kWays * sizeof(Slot)));
  const uint64_t fixed = sizeof(Head) + sets_ * kWays * sizeof(Slot);
  segments_ = static_cast<uint32_t>(
      std::min((region.size() - fixed) / (segment_size_ + sizeof(Word)), kMostSegments));
  small_ = std::max<uint32_t>(2, segments_ / kSmallShare);
  CHECK(segments_ >= 2 * small_);
  std::byte* at = region.data();
  head_ = reinterpret_cast<Head*>(at);
  index_ = reinterpret_cast<Slot*>(at += sizeof(Head));
  states_ = reinterpret_cast<Word*>(at += sets_ * kWays * sizeof(Slot));
  data_ = at + segments_ * sizeof(Word);
  // A predecessor in this process's slot was writing to these.
  for (uint32_t i = 0; i < segments_; ++i) {
    const uint64_t state = states_[i].load(std::memory_order_relaxed);
    if (owner_of(state) == owner_)
      states_[i].store(state_word(generation_of(state), 0), std::memory_order_relaxed);
  }
}

SharedCache::Slot* SharedCache::set_of(uint64_t hash) const {
  return index_ + ((hash >> 1) & (sets_ - 1)) * kWays;
}

Word* SharedCache::words(uint32_t segment, uint64_t offset) const {
  return reinterpret_cast<Word*>(data_ + segment * segment_size_ + offset);
}

bool SharedCache::is_current(uint64_t word) const {
  const Place place = Place::of(word);
  return place.generation != 0 && place.segment < segments_ &&
         generation_of(states_[place.segment].load(std::memory_order_acquire)) == place.generation;
}

// ---------------------------------------------------------------- reading

bool SharedCache::find(std::string_view key, Found& found) {
  const uint64_t hash = hash_of(key);
  Slot* set = set_of(hash);
  for (Slot* slot = set; slot < set + kWays; ++slot) {
    const uint64_t note = slot->tag_and_uses.load(std::memory_order_relaxed);
    if (note >> 8 != tag_of(hash)) continue;
    const uint64_t place = slot->place.load(std::memory_order_acquire);
    if (!is_current(place) || !read(place, hash, key, found)) continue;
    // A use that is lost between two processes does not matter.
    if ((note & 0xff) < kMostUses) slot->tag_and_uses.store(note + 1, std::memory_order_relaxed);
    return true;
  }
  return false;
}

// Nothing that is read can be trusted before the generation was seen to be the same at the end.
bool SharedCache::read(uint64_t word, uint64_t hash, std::string_view key, Found& found) const {
  const Place place = Place::of(word);
  if (place.offset + kHeadWords * 8 > segment_size_) return false;
  const Word* entry = words(place.segment, place.offset);
  if (entry[0].load(std::memory_order_relaxed) != hash) return false;
  const EntrySizes sizes = EntrySizes::of(entry[1].load(std::memory_order_relaxed));
  if (sizes.key != key.size() || place.offset + sizes.words() * 8 > segment_size_) return false;
  char stored[UINT16_MAX];
  copy_out(entry + kHeadWords, 0, stored, sizes.key);
  const uint64_t asked = entry[2].load(std::memory_order_relaxed);
  if (std::string_view(stored, sizes.key) != key || is_purged(key, asked)) return false;
  found.meta.resize(sizes.meta);
  copy_out(entry + kHeadWords, sizes.key, found.meta.data(), sizes.meta);
  found.body.resize(sizes.body);
  copy_out(entry + kHeadWords, sizes.key + sizes.meta, found.body.data(), sizes.body);
  found.times = {time_of(asked), time_of(entry[3].load(std::memory_order_relaxed)),
                 time_of(entry[4].load(std::memory_order_relaxed))};
  std::atomic_thread_fence(std::memory_order_acquire);
  return is_current(word);
}

// ---------------------------------------------------------------- purging

bool SharedCache::is_purged(std::string_view key, TimePoint asked) const {
  return is_purged(key, time_word(asked));
}

bool SharedCache::is_purged(std::string_view key, uint64_t asked) const {
  while (true) {
    if (asked < head_->floor.load(std::memory_order_acquire)) return true;
    const uint64_t count = head_->purges.load(std::memory_order_acquire);
    // Newest first; the one place that may be being written is left out.
    for (uint64_t n = count; n > 0 && n + kPurges - 1 > count; --n) {
      const Purge& purge = head_->places[(n - 1) % kPurges];
      if (purge.time.load(std::memory_order_relaxed) <= asked) break;
      const uint64_t about = purge.kind_and_size.load(std::memory_order_relaxed);
      const uint64_t size = std::min<uint64_t>(about & 0xffff, kLongestPurge);
      char text[kLongestPurge];
      copy_out(purge.text.data(), 0, text, size);
      const std::string_view wanted(text, size);
      if (about >> 16 == prefix ? key.starts_with(wanted) : key == wanted) return true;
    }
    std::atomic_thread_fence(std::memory_order_acquire);
    if (head_->purges.load(std::memory_order_relaxed) == count) return false;
  }
}

void SharedCache::purge_all(TimePoint now) { head_->floor.store(time_word(now), std::memory_order_release); }

void SharedCache::purge(std::string_view key, bool as_prefix, TimePoint now) {
  if (key.size() > kLongestPurge) as_prefix = true;
  key = key.substr(0, kLongestPurge);
  const uint64_t count = head_->purges.load(std::memory_order_relaxed);
  // Readers look at the last 63: what the oldest of them said has to hold on.
  if (count >= kPurges - 1) {
    const Purge& oldest = head_->places[(count + 1) % kPurges];
    const uint64_t floor = head_->floor.load(std::memory_order_relaxed);
    head_->floor.store(std::max(floor, oldest.time.load(std::memory_order_relaxed)),
                       std::memory_order_release);
  }
  Purge& purge = head_->places[count % kPurges];
  std::atomic_thread_fence(std::memory_order_release);
  purge.time.store(time_word(now), std::memory_order_relaxed);
  purge.kind_and_size.store((as_prefix ? prefix : exact) << 16 | key.size(), std::memory_order_relaxed);
  copy_in(purge.text.data(), key.data(), key.size());
  head_->purges.store(count + 1, std::memory_order_release);
}

// ---------------------------------------------------------------- writing

bool SharedCache::insert(std::string_view key, std::string_view meta, std::string_view body,
                         const CacheTimes& times) {
  const EntrySizes sizes{key.size(), meta.size(), body.size()};
  if (key.size() > UINT16_MAX || meta.size() > UINT16_MAX || sizes.words() * 8 > segment_size_ / 4)
    return false;
  const uint64_t hash = hash_of(key);
  entry_.assign(sizes.words(), 0);
  entry_[0] = hash;
  entry_[1] = sizes.word();
  entry_[2] = time_word(times.asked);
  entry_[3] = time_word(times.fresh_until);
  entry_[4] = time_word(times.stale_until);
  char* bytes = reinterpret_cast<char*>(entry_.data() + kHeadWords);
  for (std::string_view part : {key, meta, body}) {
    std::memcpy(bytes, part.data(), part.size());
    bytes += part.size();
  }
  return knows(hash) ? append(main_log_, true, entry_, 0) : append(small_log_, false, entry_, 0);
}

// Whether the key is or lately was here.
bool SharedCache::knows(uint64_t hash) const {
  const Slot* set = set_of(hash);
  return std::any_of(set, set + kWays, [&](const Slot& slot) {
    return slot.tag_and_uses.load(std::memory_order_relaxed) >> 8 == tag_of(hash) &&
           slot.place.load(std::memory_order_relaxed) != 0;
  });
}

}  // namespace banyan::shm
