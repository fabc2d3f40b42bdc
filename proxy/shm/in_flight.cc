#include "shm/in_flight.h"

#include "base/check.h"

namespace banyan::shm {
namespace {

constexpr uint64_t kCountMask = 0xffff;

uint64_t tag_of(uint64_t hash) {
  const uint64_t tag = hash & ~kCountMask;
  return tag ? tag : kCountMask + 1;
}

// This client's word, or one that counts nothing.
Word* find_word(std::array<Word, 8>& words, uint64_t tag) {
  Word* free = nullptr;
  for (Word& word : words) {
    const uint64_t value = word.load(std::memory_order_relaxed);
    if ((value & kCountMask) == 0) {
      free = &word;
    } else if ((value & ~kCountMask) == tag) {
      return &word;
    }
  }
  return free;
}

}  // namespace

InFlight::Ticket::~Ticket() {
  if (word_) word_->store(word_->load(std::memory_order_relaxed) - 1, std::memory_order_seq_cst);
}

InFlight::InFlight(Segment& segment, uint32_t slot) : layout_(&segment.layout()), slot_(slot) {
  CHECK(slot >= kFirstWorkerSlot && slot < kSlots);
}

std::optional<InFlight::Ticket> InFlight::enter(uint64_t hash, uint32_t limit) {
  // The set comes from bits that are not in the tag, mixed with some that are: both ends of a hash are
  // equally good.
  const size_t set = (hash ^ hash >> 32) % kInFlightSets;
  const uint64_t tag = tag_of(hash);
  Word* word = find_word(layout_->in_flight[slot_].sets[set].words, tag);
  if (!word) return Ticket();
  const uint64_t before = word->load(std::memory_order_relaxed) & kCountMask;
  if (before >= limit || before == kCountMask) return std::nullopt;
  word->store(tag | (before + 1), std::memory_order_seq_cst);
  Ticket ticket(*word);
  if (sum(set, tag) > limit) return std::nullopt;
  return ticket;
}

uint64_t InFlight::sum(size_t set, uint64_t tag) const {
  const uint32_t slots = worker_slot(layout_->header.workers.load(std::memory_order_relaxed));
  uint64_t sum = 0;
  for (uint32_t slot = kFirstWorkerSlot; slot < slots; ++slot) {
    for (const Word& word : layout_->in_flight[slot].sets[set].words) {
      const uint64_t value = word.load(std::memory_order_seq_cst);
      if ((value & ~kCountMask) == tag) sum += value & kCountMask;
    }
  }
  return sum;
}

}  // namespace banyan::shm
