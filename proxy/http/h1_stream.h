// What one request on an HTTP/1 connection needs: head, bodies, framing. Reused from request to request.
#pragma once

#include <memory>
#include <vector>

#include "base/buffer.h"
#include "http/body_pipe.h"
#include "http/h1_receiver.h"
#include "http/h1_sender.h"
#include "http/head.h"
#include "http/inbound.h"

namespace banyan::http {

struct H1Stream {
  explicit H1Stream(event::Loop& loop) : request_body(loop), response_body(loop) {}

  RequestHead head;
  H1HeadProgress progress;  // of a head that arrives in pieces
  BodyPipe request_body;
  BodyPipe response_body;
  H1Receiver receiver{Fault::client};
  H1Sender sender;
  std::unique_ptr<StreamUser> user;
  uint64_t head_bytes = 0;
  TimePoint body_began{};
  TimePoint waiting_since{};  // answer bytes wait for the client since then, if they do
  Duration waited{};          // before that
  bool continue_sent = false;

  void reset() {
    head.clear();
    progress = {};
    request_body.reset();
    response_body.reset();
    receiver.reset();
    sender.reset();
    user.reset();
    head_bytes = 0;
    waited = {};
    continue_sent = false;
  }
};

// Streams that are not in use, so that a request allocates nothing for them. The loop outlives the pool.
class H1StreamPool {
 public:
  H1StreamPool(event::Loop& loop, BufferPools& buffers) : loop_(loop), buffers_(buffers) {}

  std::unique_ptr<H1Stream> take() {
    if (free_.empty()) return std::make_unique<H1Stream>(loop_);
    std::unique_ptr<H1Stream> stream = std::move(free_.back());
    free_.pop_back();
    return stream;
  }
  // REQUIRES: the stream's user is gone.
  void give_back(std::unique_ptr<H1Stream> stream) {
    if (free_.size() >= kKeep) return;
    stream->reset();
    free_.push_back(std::move(stream));
  }
  BufferPools& buffers() { return buffers_; }

 private:
  static constexpr size_t kKeep = 64;
  event::Loop& loop_;
  BufferPools& buffers_;
  std::vector<std::unique_ptr<H1Stream>> free_;
};

}  // namespace banyan::http
