// What was read from a stream and not yet understood: a window into a block, refilled by reads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/buffer.h"
#include "net/stream.h"

namespace banyan::http {

class H1Input {
 public:
  explicit H1Input(BufferPools& pools) : pools_(pools) {}

  const char* data() const { return block_.bytes() + begin_; }
  size_t size() const { return end_ - begin_; }
  bool empty() const { return begin_ == end_; }
  // The window's place in its block, for parsers whose views keep the block.
  const BlockRef& block() const { return block_; }
  size_t begin() const { return begin_; }
  size_t end() const { return end_; }

  // Drops the first `count` bytes. Views into them stay valid while somebody holds the block.
  void consume(size_t count) { begin_ += count; }
  // Reads once, `most` bytes at most. Moves what is held to a larger block when there is no room behind it;
  // `large` asks for a block for bulk data. REQUIRES: size() < BufferPools::kLarge.
  net::IoResult fill(net::Stream& stream, bool large, size_t most = SIZE_MAX);
  // Gives the block back when nothing is held, so that an idle connection costs no buffer.
  void release_if_empty();
  void clear();

 private:
  void make_room(bool large);

  BufferPools& pools_;
  BlockRef block_;
  size_t begin_ = 0;
  size_t end_ = 0;
};

}  // namespace banyan::http
