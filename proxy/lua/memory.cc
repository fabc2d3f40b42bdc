#include "lua/memory.h"

#include <sanitizer/asan_interface.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>

namespace banyan::lua {

Memory::Memory(size_t limit) : limit_(limit) {}

Memory::~Memory() {
  while (chunks_) {
    Chunk* next = chunks_->next;
    ASAN_UNPOISON_MEMORY_REGION(chunks_, kChunkBytes);
    std::free(chunks_);
    chunks_ = next;
  }
  while (large_) {
    Large* next = large_->next;
    std::free(large_);
    large_ = next;
  }
}

void* Memory::allocate(size_t size) {
  if (size > kLargestCell) return allocate_large(size);
  size_t size_class = class_of(size);
  FreeCell* cell = free_[size_class];
  if (!cell) return cut(size_class);
  free_[size_class] = cell->next;
  ASAN_UNPOISON_MEMORY_REGION(cell, (size_class + 1) * kGrain);
  return cell;
}

void* Memory::cut(size_t size_class) {
  size_t size = (size_class + 1) * kGrain;
  if (uncut_bytes_ < size && !add_chunk()) return nullptr;
  void* cell = uncut_;
  uncut_ += size;
  uncut_bytes_ -= size;
  ASAN_UNPOISON_MEMORY_REGION(cell, size);
  return cell;
}

bool Memory::add_chunk() {
  if (held_ + kChunkBytes > limit_) return false;
  void* memory = std::malloc(kChunkBytes);
  if (!memory) return false;
  if (uncut_bytes_ > 0) put_back(uncut_, class_of(uncut_bytes_));
  chunks_ = new (memory) Chunk{chunks_};
  held_ += kChunkBytes;
  uncut_ = static_cast<char*>(memory) + sizeof(Chunk);
  uncut_bytes_ = kChunkBytes - sizeof(Chunk);
  ASAN_POISON_MEMORY_REGION(uncut_, uncut_bytes_);
  return true;
}

void Memory::put_back(void* cell, size_t size_class) {
  ASAN_UNPOISON_MEMORY_REGION(cell, sizeof(FreeCell));
  free_[size_class] = new (cell) FreeCell{free_[size_class]};
  ASAN_POISON_MEMORY_REGION(static_cast<char*>(cell) + sizeof(FreeCell),
                            (size_class + 1) * kGrain - sizeof(FreeCell));
}

void* Memory::allocate_large(size_t size) {
  if (size > limit_ || held_ + size + sizeof(Large) > limit_) return nullptr;
  void* memory = std::malloc(sizeof(Large) + size);
  if (!memory) return nullptr;
  auto* block = new (memory) Large{nullptr, nullptr};
  link(block);
  held_ += size + sizeof(Large);
  return block + 1;
}

void Memory::link(Large* block) {
  block->previous = nullptr;
  block->next = large_;
  if (large_) large_->previous = block;
  large_ = block;
}

void Memory::unlink(Large* block) {
  if (block->previous) {
    block->previous->next = block->next;
  } else {
    large_ = block->next;
  }
  if (block->next) block->next->previous = block->previous;
}

void* Memory::resize(void* block, size_t old_size, size_t new_size) {
  bool both_cells = old_size <= kLargestCell && new_size <= kLargestCell;
  if (both_cells && class_of(old_size) == class_of(new_size)) return block;
  void* moved = allocate(new_size);
  if (!moved) return nullptr;
  std::memcpy(moved, block, std::min(old_size, new_size));
  release(block, old_size);
  return moved;
}

void Memory::release(void* block, size_t size) {
  if (size <= kLargestCell) return put_back(block, class_of(size));
  Large* large = static_cast<Large*>(block) - 1;
  unlink(large);
  held_ -= size + sizeof(Large);
  std::free(large);
}

}  // namespace banyan::lua
