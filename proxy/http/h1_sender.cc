#include "http/h1_sender.h"

#include <algorithm>
#include <array>

#include "base/check.h"
#include "http/h1_chunked.h"

namespace banyan::http {
namespace {

constexpr size_t kMostParts = 64;

}  // namespace

void H1Sender::start(Framing framing, uint64_t size, BodyReader* body) {
  CHECK(!started_);
  framing_ = framing;
  size_left_ = framing == Framing::sized ? size : 0;
  body_ = body;
  started_ = true;
  last_prepared_ = framing == Framing::none || (framing == Framing::sized && size == 0);
}

void H1Sender::reset() {
  before_.clear();
  if (before_.capacity() > 4096) before_.shrink_to_fit();
  after_.clear();
  before_done_ = 0;
  body_left_ = size_left_ = bytes_sent_ = body_bytes_sent_ = 0;
  body_ = nullptr;
  error_number_ = 0;
  started_ = last_prepared_ = failed_ = false;
}

// Decides which bytes of the pipe go out next and what stands around them. False when the body broke off.
bool H1Sender::prepare() {
  if (body_left_ > 0 || !after_.empty() || last_prepared_ || !started_) return !failed_;
  if (body_->error() && body_->empty())
    return !(failed_ = true);  // what came before the failure still goes out
  uint64_t available = body_->size();
  bool ending = body_->ending();
  switch (framing_) {
    case Framing::none:
      break;
    case Framing::sized:
      if (available > size_left_ || (ending && available < size_left_)) return !(failed_ = true);
      body_left_ = available;
      size_left_ -= available;
      last_prepared_ = size_left_ == 0;
      break;
    case Framing::chunked:
      if (available > 0) {
        append_chunk_head(before_, available);
        body_left_ = available;
        after_ = "\r\n";
      }
      if (ending) {
        append_last_chunk(after_, body_->trailers());
        last_prepared_ = true;
      }
      break;
    case Framing::until_close:
      body_left_ = available;
      last_prepared_ = ending;
      break;
  }
  return true;
}

SendStatus H1Sender::flush(net::Stream& stream) {
  while (true) {
    bool whole = prepare();
    if (!whole && nothing_prepared()) return SendStatus::body_failed;
    if (nothing_prepared()) return last_prepared_ ? SendStatus::done : SendStatus::waiting;

    size_t asked;
    const net::IoResult result = write_prepared(stream, asked);
    if (result.status == net::IoStatus::error || result.status == net::IoStatus::end) {
      error_number_ = result.error_number;
      return SendStatus::error;
    }
    if (result.status == net::IoStatus::ok) take(result.bytes);
    if (result.status == net::IoStatus::again || result.bytes < asked) {
      stream.want_write();
      return SendStatus::blocked;
    }
  }
}

// One write. A stream that takes less than `asked` takes no more now; of a splice that cannot be said (0).
net::IoResult H1Sender::write_prepared(net::Stream& stream, size_t& asked) {
  std::array<iovec, kMostParts> parts;
  size_t count = 0;
  asked = 0;
  auto add = [&](const char* data, size_t size) {
    parts[count++] = {const_cast<char*>(data), size};
    asked += size;
  };
  if (before_done_ < before_.size()) add(before_.data() + before_done_, before_.size() - before_done_);
  uint64_t left = body_left_;
  if (left > 0) {
    for (const Slice& slice : body_->slices()) {
      if (left == 0 || count == kMostParts - 1) break;
      size_t size = std::min<uint64_t>(slice.size, left);
      add(slice.data, size);
      left -= size;
    }
  }
  if (left == 0 && !after_.empty()) add(after_.data(), after_.size());
  if (count > 0) return stream.write({parts.data(), count});
  return stream.splice_out(*body_->spliced(), left);
}

// Notes that the stream took the next `count` bytes.
void H1Sender::take(size_t count) {
  bytes_sent_ += count;
  size_t text = std::min(count, before_.size() - before_done_);
  before_done_ += text;
  count -= text;
  if (before_done_ == before_.size()) {
    before_.clear();
    before_done_ = 0;
  }
  uint64_t body = std::min<uint64_t>(count, body_left_);
  if (body > 0) {
    body_->consume(body);
    body_left_ -= body;
    body_bytes_sent_ += body;
    count -= body;
  }
  if (body_left_ == 0 && before_.empty() && !after_.empty()) {
    // What is behind the body becomes what is in front of the rest.
    before_.swap(after_);
    after_.clear();
    before_done_ = count;
    if (before_done_ == before_.size()) {
      before_.clear();
      before_done_ = 0;
    }
  }
}

}  // namespace banyan::http
