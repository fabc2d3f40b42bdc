// Cell<T>: a value that one process writes and all read, without locks.
//
//   sequence   n
//   copies     [0] [1]      copy n % 2 is the value; the other one is being filled for n + 1
//
// The writer fills the spare copy and then publishes it with the new sequence. A writer that is killed on the
// way has changed nothing that anybody reads, and its successor goes on from the sequence it finds. A reader
// that was so slow that the writer came back to its copy notices by the sequence and reads again.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <type_traits>

namespace banyan::shm {

template <class T>
class Cell {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  struct Snapshot {
    T value;
    uint64_t sequence;  // how often the cell was written
  };

  // The value last written; all zero bytes before the first write. Any process, any thread.
  T read() const { return snapshot().value; }

  Snapshot snapshot() const {
    Words words;
    for (;;) {
      const uint64_t sequence = sequence_.load(std::memory_order_acquire);
      const Copy& copy = copies_[sequence % 2];
      // Acquire, so that a word of a later value brings the later sequence with it.
      for (size_t i = 0; i < kWords; ++i) words[i] = copy[i].load(std::memory_order_acquire);
      if (sequence_.load(std::memory_order_acquire) == sequence) return {from(words), sequence};
    }
  }

  uint64_t sequence() const { return sequence_.load(std::memory_order_acquire); }

  // REQUIRES: one writer at a time, in whatever process.
  void write(const T& value) {
    Words words{};
    std::memcpy(words.data(), &value, sizeof(T));
    const uint64_t next = sequence_.load(std::memory_order_relaxed) + 1;
    Copy& copy = copies_[next % 2];
    for (size_t i = 0; i < kWords; ++i) copy[i].store(words[i], std::memory_order_release);
    sequence_.store(next, std::memory_order_release);
  }

 private:
  static constexpr size_t kWords = (sizeof(T) + 7) / 8;
  using Words = std::array<uint64_t, kWords>;
  using Copy = std::array<std::atomic<uint64_t>, kWords>;

  static T from(const Words& words) {
    T value;
    std::memcpy(static_cast<void*>(&value), words.data(), sizeof(T));
    return value;
  }

  std::atomic<uint64_t> sequence_;
  std::array<Copy, 2> copies_;
};

}  // namespace banyan::shm
