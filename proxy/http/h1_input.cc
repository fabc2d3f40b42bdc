#include "http/h1_input.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"

namespace banyan::http {
namespace {

// A read into less room than this is not worth its system call.
constexpr size_t kLeastRoom = 4096;

}  // namespace

net::IoResult H1Input::fill(net::Stream& stream, bool large, size_t most) {
  make_room(large);
  size_t room = std::min(block_.capacity() - end_, most);
  net::IoResult result = stream.read({block_.bytes() + end_, room});
  end_ += result.bytes;
  return result;
}

void H1Input::make_room(bool large) {
  BlockPool& wanted = large ? pools_.large : pools_.small;
  if (block_ && empty() && block_.unique()) {
    if (block_.capacity() >= wanted.block_capacity()) {
      begin_ = end_ = 0;
      return;
    }
    block_.reset();
  }
  if (block_ && block_.capacity() - end_ >= kLeastRoom) return;
  size_t held = size();
  BlockRef next = held + kLeastRoom > BufferPools::kSmall ? pools_.large.take() : wanted.take();
  CHECK(held < next.capacity());
  if (held > 0) std::memcpy(next.bytes(), data(), held);
  block_ = std::move(next);
  begin_ = 0;
  end_ = held;
}

void H1Input::release_if_empty() {
  if (empty()) clear();
}

void H1Input::clear() {
  block_.reset();
  begin_ = end_ = 0;
}

}  // namespace banyan::http
