// The ring of events. A position counts all bytes that ever went into it; it never falls, and the place in
// memory is the remainder by the ring's size. 0 is no position.
//
//   record   sizes and kind │ epoch │ offset │ time │ position of the channel's previous event │ bytes
//
// A record lies in one piece: what is left at the end of the ring becomes padding.
#pragma once

#include <string_view>

#include "shm/layout.h"

namespace banyan::shm {

struct RingHead {
  alignas(64) Word tail;      // records in front of it are complete
  alignas(64) Word reserved;  // somebody may be writing in front of it, so what is a ring behind it is gone
};

struct RecordHead {
  uint32_t channel = 0;
  uint32_t size = 0;  // of the data
  uint8_t kind = 0;   // kPadding: `size` bytes to be skipped
  uint64_t epoch = 0;
  uint64_t offset = 0;
  uint64_t time = 0;  // nanoseconds of the monotonic clock
  uint64_t previous = 0;
};

class Ring {
 public:
  static constexpr uint64_t kHeadWords = 5;
  static constexpr uint8_t kPadding = 15;
  // So that what is left at the end of the ring, less than a record with its head, fits into 28 bits, too.
  static constexpr uint64_t kMostData = (1 << 28) - 1 - 64;
  // Behind it a record cannot be longer.
  static constexpr uint64_t longest(uint64_t ring_bytes) {
    return ring_bytes / 16 < kMostData ? ring_bytes / 16 : kMostData;
  }

  Ring(RingHead& head, std::byte* bytes, uint64_t size) : head_(head), bytes_(bytes), size_(size) {}

  void format();
  uint64_t tail() const { return head_.tail.load(std::memory_order_acquire); }
  const Word& tail_word() const { return head_.tail; }

  // ---- writing: REQUIRES the log's lock
  struct Written {
    uint64_t position;
    uint64_t end;
  };
  // Copies a record behind the tail, where nobody sees it yet. REQUIRES: data.size() <= longest().
  Written write(const RecordHead& head, std::string_view data);
  // Moves the tail over it.
  void publish(const Written& written) { head_.tail.store(written.end, std::memory_order_release); }

  // ---- reading: no lock. REQUIRES: the position is of a record in front of the tail.
  // False: the ring has come around.
  bool read_head(uint64_t position, RecordHead& head) const;
  bool read_data(uint64_t position, const RecordHead& head, char* to) const;
  // Where the next record begins.
  static uint64_t after(uint64_t position, const RecordHead& head);

 private:
  Word* at(uint64_t position) const { return reinterpret_cast<Word*>(bytes_ + position % size_); }
  bool is_there(uint64_t position) const;

  RingHead& head_;
  std::byte* bytes_;
  uint64_t size_;
};

}  // namespace banyan::shm
