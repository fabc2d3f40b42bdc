// A cache of byte strings that all workers share, in one region. No locks: any process may be killed at any
// instruction, and nobody ever waits.
//
//   head       purges, and where the next segment is taken
//   states     one word a segment: generation │ who is writing to it
//   index      sets of eight slots: place (generation, segment, offset) │ tag and use count
//   segments   entries one behind the other: times, sizes, key, meta, body
//
// Writing: each worker appends to segments that are its own, and publishes an entry by one word in the index
// when it is complete. A full segment is closed and stays as it is until its turn comes to be used again, in
// the order of a ring: then its generation goes up, which makes all places in it invalid at once.
//
// Reading: copy the entry, and look afterwards whether its segment still has the generation of the place (a
// sequence lock: Boehm, "Can seqlocks get along with programming language memory models?", 2012). The key is
// compared in the copy, so whatever stands in the index can only cost a hit.
//
// What stays (S3-FIFO: Yang, Zhang, Qiu, Yue, Rashmi, SOSP 2023): new entries go to small segments, an eighth
// of all. When one of these is used again, its entries that were asked for in the meantime move to the main
// segments, the others go; a slot whose entry is gone remembers its tag, and a key that comes back goes to
// main at once. A main segment that is used again keeps its entries that were asked for, at most half of it.
// So a scan passes through the small segments and leaves the rest alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "shm/layout.h"

namespace banyan::shm {

struct CacheTimes {
  TimePoint asked;        // when what is stored was asked for: a purge after it makes the entry invalid
  TimePoint fresh_until;  // both as the user of the cache means them
  TimePoint stale_until;
};

class SharedCache {
 public:
  static constexpr uint64_t kLeastSize = 1 << 20;

  // REQUIRES: the region has at least kLeastSize bytes, was zero when it was first used, and outlives this;
  // `slot` is this process's. What is in the region goes on being used.
  SharedCache(std::span<std::byte> region, uint32_t slot);
  SharedCache(const SharedCache&) = delete;
  SharedCache& operator=(const SharedCache&) = delete;

  struct Found {
    std::string meta;  // a few bytes
    std::string body;
    CacheTimes times;
  };
  // Whatever times it has. Marks it as asked for. `found` is changed only if there is one.
  bool find(std::string_view key, Found& found);
  // Replaces what there is of the key. False when it is too large (a quarter of a segment) or no segment was
  // free.
  bool insert(std::string_view key, std::string_view meta, std::string_view body, const CacheTimes& times);

  // Nothing that was asked for before now is found any more: all of it, one key, all keys that begin so. One
  // process at a time (the controller). After 63 purges of keys or prefixes, everything stored before the
  // oldest of them is purged, too.
  void purge_all(TimePoint now);
  void purge(std::string_view key, bool as_prefix, TimePoint now);
  // What was asked for then is not to be used any more.
  bool is_purged(std::string_view key, TimePoint asked) const;

  size_t segment_size() const { return segment_size_; }
  size_t segments() const { return segments_; }
  // Keys and prefixes may be this long; longer prefixes are cut, which purges more.
  static constexpr size_t kLongestPurge = 1024;

 private:
  struct Head;
  struct Slot;
  struct Purge;
  // Where an entry is, as one word.
  struct Place {
    uint64_t generation = 0;
    uint32_t segment = 0;
    uint64_t offset = 0;
    uint64_t word() const { return generation << 40 | uint64_t{segment} << 24 | offset / 8; }
    static Place of(uint64_t word) {
      return {word >> 40, static_cast<uint32_t>(word >> 24 & 0xffff), (word & 0xffffff) * 8};
    }
  };
  // The segment that this process is writing to.
  struct Log {
    uint64_t state = 0;  // the segment's word while it is ours; 0: none is open
    uint32_t segment = 0;
    uint64_t used = 0;
  };
  using Entry = std::vector<uint64_t>;  // as it lies in a segment

  Slot* set_of(uint64_t hash) const;
  Word* words(uint32_t segment, uint64_t offset) const;
  bool is_current(uint64_t place) const;
  bool read(uint64_t place, uint64_t hash, std::string_view key, Found& found) const;
  bool is_purged(std::string_view key, uint64_t asked) const;

  bool knows(uint64_t hash) const;
  bool append(Log& log, bool main, std::span<const uint64_t> entry, uint64_t uses);
  bool open_segment(Log& log, bool main);
  bool claim(uint32_t segment, uint64_t& state) const;
  std::vector<Entry> keep_used(uint32_t segment, uint64_t state, uint64_t most);
  uint64_t uses_of(uint64_t hash, uint64_t place) const;
  void publish(uint64_t hash, uint64_t place, uint64_t uses);
  void close(Log& log);

  Head* head_;
  Word* states_;
  Slot* index_;
  std::byte* data_;
  uint64_t sets_;
  uint32_t segments_;
  uint32_t small_;  // segments below are small ones
  uint64_t segment_size_;
  uint64_t owner_;
  Log small_log_;
  Log main_log_;
  Entry entry_;
};

}  // namespace banyan::shm
