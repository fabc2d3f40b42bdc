// Keys of events that were published lately, so that a repeat is known: a table by hash, whose oldest entry
// makes room for a new one. All calls REQUIRE the log's lock; what changes goes through the journal.
#pragma once

#include <optional>

#include "base/clock.h"
#include "shm/event_id.h"
#include "shm/event_log/journal.h"

namespace banyan::shm {

struct RepeatEntry {
  Word link;  // the next entry of the bucket, number + 1
  std::array<Word, 2> hash;
  Word epoch;
  Word offset;
  Word fingerprint;
  Word time;
  Word unused;
};

// Channel and key, as a hash of 128 bits; and of the event's bytes.
struct RepeatKey {
  std::array<uint64_t, 2> hash{};
  uint64_t fingerprint = 0;
};

class Repeats {
 public:
  static constexpr uint64_t kEntries = 64 * 1024;
  static constexpr Duration kKept = std::chrono::hours(24);
  static constexpr uint64_t kBytes = kEntries * (sizeof(RepeatEntry) + sizeof(Word));

  // `next`: how many entries there ever were.
  Repeats(Word& next, std::byte* places, Journal& journal)
      : next_(next),
        entries_(reinterpret_cast<RepeatEntry*>(places)),
        buckets_(reinterpret_cast<Word*>(entries_ + kEntries)),
        journal_(journal) {}

  struct Found {
    EventId id;
    bool same_bytes = false;
  };
  std::optional<Found> find(const RepeatKey& key, TimePoint now) const;
  // REQUIRES: a transaction.
  void add(const RepeatKey& key, EventId id, TimePoint now);

 private:
  Word& bucket(uint64_t hash) const { return buckets_[hash % kEntries]; }
  void unlink(uint64_t number);

  Word& next_;
  RepeatEntry* entries_;
  Word* buckets_;
  Journal& journal_;
};

}  // namespace banyan::shm
