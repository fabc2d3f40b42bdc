#include "base/buffer.h"

#include <cstdlib>
#include <new>

#include "base/check.h"

namespace banyan {

BlockPool::BlockPool(size_t block_capacity, size_t keep) : capacity_(block_capacity), keep_(keep) {
  free_.reserve(keep);
}

BlockPool::~BlockPool() {
  for (Block* block : free_) std::free(block);
}

BlockRef BlockPool::take() {
  if (!free_.empty()) {
    Block* block = free_.back();
    free_.pop_back();
    block->references = 1;
    return BlockRef(block);
  }
  void* memory = std::malloc(sizeof(Block) + capacity_);
  if (!memory) throw std::bad_alloc();
  return BlockRef(new (memory) Block{this, 1, static_cast<uint32_t>(capacity_)});
}

void BlockPool::give_back(Block* block) {
  if (free_.size() < keep_) {
    free_.push_back(block);
  } else {
    std::free(block);
  }
}

}  // namespace banyan
