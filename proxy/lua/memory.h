// The memory of one Lua state: blocks of equal size classes cut from chunks, large blocks one by one, and all
// of it gone with the object.
//
// That is what makes a state disposable: when a script passes a limit, the proxy jumps out of the Lua machine
// wherever it is and drops the memory; nothing of the script runs again, no finaliser and no error handler.
// The limit counts what is held, cut up or not, so fragmentation cannot exceed it.
#pragma once

#include <array>
#include <cstddef>

namespace banyan::lua {

class Memory {
 public:
  // `limit` in bytes.
  explicit Memory(size_t limit);
  ~Memory();
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;

  // `size` bytes, aligned to 16. Null when the limit would be passed. REQUIRES: size > 0.
  void* allocate(size_t size);
  // Moves a block of `old_size` bytes to one of `new_size`. Null as above; then the old block is as it was.
  void* resize(void* block, size_t old_size, size_t new_size);
  // `size` as given to allocate or resize.
  void release(void* block, size_t size);

  size_t held() const { return held_; }

 private:
  struct FreeCell {
    FreeCell* next;
  };
  struct alignas(16) Chunk {
    Chunk* next;
  };
  struct alignas(16) Large {
    Large* previous;
    Large* next;
  };
  static constexpr size_t kGrain = 16;
  static constexpr size_t kLargestCell = 512;
  static constexpr size_t kChunkBytes = 16 * 1024;

  static size_t class_of(size_t size) { return (size - 1) / kGrain; }
  void* cut(size_t size_class);
  bool add_chunk();
  void put_back(void* cell, size_t size_class);
  void* allocate_large(size_t size);
  void link(Large* block);
  void unlink(Large* block);

  size_t limit_;
  size_t held_ = 0;
  std::array<FreeCell*, kLargestCell / kGrain> free_{};
  Chunk* chunks_ = nullptr;
  char* uncut_ = nullptr;  // the rest of the newest chunk
  size_t uncut_bytes_ = 0;
  Large* large_ = nullptr;
};

}  // namespace banyan::lua
