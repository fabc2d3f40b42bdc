// What the owner of the log's lock has changed and what was there before, so that the next owner can take it
// back.
//
//   begin ─▶ set, set, … ─▶ the tail of the ring moves, or commit() ─▶ empty
//
// A transaction counts as soon as the tail has moved (an event was added), or the journal is empty.
#pragma once

#include <array>

#include "shm/layout.h"

namespace banyan::shm {

struct JournalArea {
  struct Note {
    Word place;  // bytes behind the region's begin
    Word before;
  };
  static constexpr size_t kNotes = 62;
  Word count;
  Word tail;  // of the ring, when the transaction began
  std::array<Note, kNotes> notes;
};

// All calls: REQUIRES the log's lock.
class Journal {
 public:
  Journal(std::byte* region, JournalArea& area, const Word& tail)
      : region_(region), area_(area), tail_(tail) {}

  // Takes back what a killed owner had begun. It may be killed in here, too.
  void recover();
  void begin();
  // REQUIRES: the word is in the region; kNotes calls in a transaction at most.
  void set(Word& word, uint64_t value);
  void commit();

 private:
  std::byte* region_;
  JournalArea& area_;
  const Word& tail_;
};

}  // namespace banyan::shm
