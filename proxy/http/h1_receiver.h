// Takes the body of one HTTP/1 message out of its framing and puts it into a pipe, without copying.
#pragma once

#include <cstdint>
#include <optional>

#include "base/buffer.h"
#include "base/result.h"
#include "http/body_pipe.h"
#include "http/h1_chunked.h"
#include "http/h1_sender.h"
#include "net/stream.h"

namespace banyan::http {

class H1Receiver {
 public:
  // `fault`: who sends the message, for its errors.
  explicit H1Receiver(Fault fault) : chunked_(fault) {}

  // The body goes to `writer`, which is ended at once when there is none. `size` is for Framing::sized.
  void start(Framing framing, uint64_t size, BodyWriter& writer);
  // Takes what belongs to the body from the front of the bytes, which lie in `block`; returns how many that
  // were (all of them unless done()). An error is a framing error: the message is not to be trusted. After
  // fail() bytes are dropped. REQUIRES: !done().
  Result<size_t> receive(const BlockRef& block, const char* data, size_t size);
  // Moves bytes of the body on without reading them (BodyWriter::splice). Nothing when they have to be read,
  // or are too few to be worth it. REQUIRES: !done(), the writer is not full.
  std::optional<net::IoResult> splice(net::Stream& stream);
  // Some of this body was.
  bool spliced() const { return spliced_; }
  // No more bytes will come. Ends an until_close body; breaks off any other that is not done, and returns
  // false.
  bool end_of_input();
  // A body that grows beyond is an error with status 413. Default: no limit.
  void limit(uint64_t bytes) { limit_ = bytes; }
  // Breaks the body off.
  void fail(Error error);
  // Bytes of the body so far.
  uint64_t taken() const { return taken_; }
  // The whole body was taken.
  bool done() const { return done_; }
  // A large read is worth while.
  bool expects_much() const { return framing_ != Framing::sized || size_left_ > BufferPools::kSmall; }
  void reset();

 private:
  Result<size_t> receive_chunked(const BlockRef& block, const char* data, size_t size);
  void count_sized(size_t count);
  bool within_limit(size_t count);
  void end();

  Framing framing_ = Framing::none;
  uint64_t size_left_ = 0;
  uint64_t limit_ = UINT64_MAX;
  uint64_t taken_ = 0;
  BodyWriter* writer_ = nullptr;
  ChunkedDecoder chunked_;
  bool done_ = false;
  bool failed_ = false;
  bool spliced_ = false;
};

}  // namespace banyan::http
