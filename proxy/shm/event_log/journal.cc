// The fences keep the order of the stores: a note is there before the word changes. (A killed process has
// done all stores before some instruction and none behind it; so it is the compiler that has to be told.)
#include "shm/event_log/journal.h"

#include "base/check.h"

namespace banyan::shm {

void Journal::recover() {
  uint64_t count = area_.count.load(std::memory_order_relaxed);
  const bool undone = area_.tail.load(std::memory_order_relaxed) == tail_.load(std::memory_order_relaxed);
  // Newest first, so that a word that was changed twice gets its first value. Doing it twice does no harm.
  for (; undone && count > 0; --count) {
    const JournalArea::Note& note = area_.notes[count - 1];
    auto* word = reinterpret_cast<Word*>(region_ + note.place.load(std::memory_order_relaxed));
    word->store(note.before.load(std::memory_order_relaxed), std::memory_order_relaxed);
  }
  commit();
}

void Journal::begin() {
  CHECK(area_.count.load(std::memory_order_relaxed) == 0);
  area_.tail.store(tail_.load(std::memory_order_relaxed), std::memory_order_relaxed);
}

void Journal::set(Word& word, uint64_t value) {
  const uint64_t count = area_.count.load(std::memory_order_relaxed);
  CHECK(count < JournalArea::kNotes);
  JournalArea::Note& note = area_.notes[count];
  const auto place = reinterpret_cast<std::byte*>(&word) - region_;
  note.place.store(static_cast<uint64_t>(place), std::memory_order_relaxed);
  note.before.store(word.load(std::memory_order_relaxed), std::memory_order_relaxed);
  area_.count.store(count + 1, std::memory_order_release);
  std::atomic_thread_fence(std::memory_order_release);
  word.store(value, std::memory_order_relaxed);
}

void Journal::commit() { area_.count.store(0, std::memory_order_release); }

}  // namespace banyan::shm
