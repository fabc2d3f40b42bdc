// Memory for bytes on their way: fixed-size blocks from a pool, shared by the slices that look into them.
//
// A socket is read into a Block; the parser's views and the body's slices point into the same Block, and the
// other socket writes from it: bytes are copied by the kernel only. A Block goes back to its pool when the
// last BlockRef is gone. Counts are not atomic: blocks stay on the thread of their pool. The pool must
// outlive them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "base/kernel_pipe.h"

namespace banyan {

class BlockPool;

// The header of a block; its bytes follow it in memory.
struct Block {
  BlockPool* pool;
  uint32_t references;
  uint32_t capacity;
  char* bytes() { return reinterpret_cast<char*>(this + 1); }
};

class BlockRef {
 public:
  BlockRef() = default;
  explicit BlockRef(Block* block) : block_(block) {}  // takes over one reference
  BlockRef(const BlockRef& other) : block_(other.block_) {
    if (block_) ++block_->references;
  }
  BlockRef(BlockRef&& other) noexcept : block_(std::exchange(other.block_, nullptr)) {}
  BlockRef& operator=(BlockRef other) noexcept {
    std::swap(block_, other.block_);
    return *this;
  }
  ~BlockRef() { reset(); }

  inline void reset();
  explicit operator bool() const { return block_ != nullptr; }
  char* bytes() const { return block_->bytes(); }
  size_t capacity() const { return block_->capacity; }
  // True when no slice or other owner looks into the block, so its bytes may be overwritten.
  bool unique() const { return block_->references == 1; }

 private:
  Block* block_ = nullptr;
};

// Blocks of one size. Keeps up to `keep` free ones for reuse.
class BlockPool {
 public:
  BlockPool(size_t block_capacity, size_t keep);
  ~BlockPool();
  BlockPool(const BlockPool&) = delete;
  BlockPool& operator=(const BlockPool&) = delete;

  BlockRef take();
  size_t block_capacity() const { return capacity_; }
  void give_back(Block* block);  // for BlockRef

 private:
  size_t capacity_;
  size_t keep_;
  std::vector<Block*> free_;
};

inline void BlockRef::reset() {
  if (block_ && --block_->references == 0) block_->pool->give_back(block_);
  block_ = nullptr;
}

// Some bytes of a block, kept alive by it; or of static storage when `block` is empty.
struct Slice {
  BlockRef block;
  const char* data = nullptr;
  size_t size = 0;
  std::string_view view() const { return {data, size}; }
};

// What a worker uses: small blocks for heads, large ones for bodies, pipes for bodies that it need not see.
struct BufferPools {
  static constexpr size_t kSmall = 16 * 1024;
  static constexpr size_t kLarge = 72 * 1024;  // a 64 KiB body and its head in one read
  BlockPool small{kSmall, 128};
  BlockPool large{kLarge, 32};
  KernelPipes pipes;
};

}  // namespace banyan
