#include "http/h1_receiver.h"

#include <algorithm>

#include "base/check.h"

namespace banyan::http {
namespace {

// Below, the calls cost more than the copies.
constexpr uint64_t kWorthSplicing = 32 * 1024;
// Of one call: what a slow client keeps in the kernel.
constexpr uint64_t kMostSpliced = KernelPipes::kCapacity;

Error too_large() { return client_error(413, "request body is larger than this route allows"); }

}  // namespace

void H1Receiver::reset() {
  framing_ = Framing::none;
  size_left_ = taken_ = 0;
  limit_ = UINT64_MAX;
  writer_ = nullptr;
  chunked_.reset();
  done_ = failed_ = spliced_ = false;
}

void H1Receiver::start(Framing framing, uint64_t size, BodyWriter& writer) {
  framing_ = framing;
  size_left_ = size;
  writer_ = &writer;
  if (framing == Framing::none || (framing == Framing::sized && size == 0)) end();
}

void H1Receiver::end() {
  done_ = true;
  if (!writer_->finished()) writer_->end();
}

bool H1Receiver::within_limit(size_t count) {
  taken_ += count;
  return taken_ <= limit_;
}

Result<size_t> H1Receiver::receive(const BlockRef& block, const char* data, size_t size) {
  CHECK(!done_);
  if (failed_) return size;
  if (framing_ == Framing::chunked) return receive_chunked(block, data, size);
  size_t count = framing_ == Framing::sized ? std::min<uint64_t>(size, size_left_) : size;
  if (!within_limit(count)) return too_large();
  writer_->write({block, data, count});
  if (framing_ == Framing::sized) count_sized(count);
  return count;
}

void H1Receiver::count_sized(size_t count) {
  size_left_ -= count;
  if (size_left_ == 0) end();
}

std::optional<net::IoResult> H1Receiver::splice(net::Stream& stream) {
  CHECK(!done_);
  if (framing_ != Framing::sized || failed_ || (size_left_ < kWorthSplicing && !spliced_)) return {};
  if (size_left_ > limit_ - std::min(taken_, limit_)) return {};  // it will be refused: receive() says why
  std::optional<net::IoResult> moved = writer_->splice(stream, std::min(size_left_, kMostSpliced));
  if (moved && moved->bytes > 0) {
    spliced_ = true;
    taken_ += moved->bytes;
    count_sized(moved->bytes);
  }
  return moved;
}

Result<size_t> H1Receiver::receive_chunked(const BlockRef& block, const char* data, size_t size) {
  size_t taken = 0;
  while (taken < size && !done_) {
    Result<ChunkedDecoder::Step> step = chunked_.decode({data + taken, size - taken});
    if (!step) return std::move(step).error();
    taken += step->consumed;
    if (!within_limit(step->body.size())) return too_large();
    if (!step->body.empty()) writer_->write({block, step->body.data(), step->body.size()});
    if (step->done) {
      done_ = true;
      writer_->end(chunked_.trailers());
    }
  }
  return taken;
}

bool H1Receiver::end_of_input() {
  if (done_) return true;
  if (framing_ == Framing::until_close && !failed_) {
    end();
    return true;
  }
  done_ = true;
  return false;
}

void H1Receiver::fail(Error error) {
  failed_ = true;
  if (writer_ && !writer_->finished()) writer_->fail(std::move(error));
}

}  // namespace banyan::http
