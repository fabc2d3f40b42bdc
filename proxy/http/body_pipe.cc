#include "http/body_pipe.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"

namespace banyan::http {

BodyPipe::BodyPipe(event::Loop& loop)
    : reader_notice_(loop, Callback::to<&BodyPipe::notify_reader>(this)),
      writer_notice_(loop, Callback::to<&BodyPipe::notify_writer>(this)) {}

void BodyPipe::reset() {
  reader_notice_.cancel();
  writer_notice_.cancel();
  reader_listener_ = nullptr;
  writer_listener_ = nullptr;
  gate_ = nullptr;
  slices_.clear();
  replay_.clear();
  replay_size_ = replay_limit_ = 0;
  size_ = 0;
  total_ = 0;
  ended_ = abandoned_ = room_owed_ = false;
  error_.reset();
  trailers_.clear();
}

void BodyPipe::restart() {
  BodyReader::Listener* reader = reader_listener_;
  reset();
  reader_listener_ = reader;
}

void BodyPipe::keep(const Slice& slice, size_t count) {
  if (replay_limit_ == 0) return;
  if (replay_size_ + count > replay_limit_) {  // too much: can_rewind() is false from now on
    replay_.clear();
    replay_size_ = replay_limit_ = 0;
    return;
  }
  replay_.push_back({slice.block, slice.data, count});
  replay_size_ += count;
}

void BodyPipe::rewind() {
  CHECK(can_rewind());
  reader_listener_ = nullptr;
  reader_notice_.cancel();
  slices_.insert(slices_.begin(), replay_.begin(), replay_.end());
  size_ += replay_size_;
  replay_.clear();
  replay_size_ = 0;
}

void BodyPipe::reopen() {
  CHECK(ended_ && slices_.empty() && !error_);
  ended_ = false;
}

void BodyPipe::wake_reader() {
  if (reader_listener_) reader_notice_.schedule();
}

void BodyPipe::wake_writer() {
  room_owed_ = false;
  if (writer_listener_) writer_notice_.schedule();
}

void BodyPipe::notify_reader() {
  if (reader_listener_) reader_listener_->on_body();
}

void BodyPipe::notify_writer() {
  if (writer_listener_) writer_listener_->on_room();
}

void BodyWriter::set_gate(Gate* gate) { pipe_.gate_ = gate; }

void BodyWriter::listen(Listener* listener) {
  pipe_.writer_listener_ = listener;
  if (!listener) pipe_.writer_notice_.cancel();
}

bool BodyWriter::full() {
  bool full = pipe_.size_ >= BodyPipe::kHighWater && !pipe_.abandoned_;
  if (full) pipe_.room_owed_ = true;
  return full;
}

bool BodyWriter::abandoned() const { return pipe_.abandoned_; }
bool BodyWriter::finished() const { return pipe_.ended_ || pipe_.error_; }

void BodyWriter::write(Slice slice) {
  CHECK(!finished());
  if (pipe_.gate_) slice.size = pipe_.gate_->pass(slice.view());
  if (slice.size == 0) return;
  pipe_.total_ += slice.size;
  if (pipe_.abandoned_) return;
  pipe_.size_ += slice.size;
  pipe_.slices_.push_back(std::move(slice));
  pipe_.wake_reader();
}

void BodyWriter::write_copy(BlockPool& pool, std::string_view bytes) {
  while (!bytes.empty()) {
    BlockRef block = pool.take();
    size_t count = std::min(bytes.size(), block.capacity());
    std::memcpy(block.bytes(), bytes.data(), count);
    const char* data = block.bytes();
    write({std::move(block), data, count});
    bytes.remove_prefix(count);
  }
}

void BodyWriter::end() {
  CHECK(!finished());
  pipe_.ended_ = true;
  pipe_.wake_reader();
}

void BodyWriter::end(const Fields& trailers) {
  for (const Field& field : trailers) pipe_.trailers_.add_copy(field.name, field.value);
  end();
}

void BodyWriter::fail(Error error) {
  CHECK(!finished());
  pipe_.error_ = std::move(error);
  pipe_.wake_reader();
}

void BodyReader::listen(Listener* listener) {
  pipe_.reader_listener_ = listener;
  if (!listener) {
    pipe_.reader_notice_.cancel();
  } else if (!empty() || pipe_.ended_ || pipe_.error_) {
    pipe_.wake_reader();
  }
}

bool BodyReader::empty() const { return pipe_.slices_.empty(); }
size_t BodyReader::size() const { return pipe_.size_; }
const Slice& BodyReader::front() const { return pipe_.slices_.front(); }
const std::deque<Slice>& BodyReader::slices() const { return pipe_.slices_; }
bool BodyReader::at_end() const { return pipe_.ended_ && pipe_.slices_.empty(); }
bool BodyReader::ending() const { return pipe_.ended_; }
const Error* BodyReader::error() const { return pipe_.error_ ? &*pipe_.error_ : nullptr; }
const Fields& BodyReader::trailers() const { return pipe_.trailers_; }

void BodyReader::consume(size_t count) {
  CHECK(count <= pipe_.size_);
  pipe_.size_ -= count;
  while (count > 0) {
    Slice& slice = pipe_.slices_.front();
    pipe_.keep(slice, std::min(count, slice.size));
    if (count < slice.size) {
      slice.data += count;
      slice.size -= count;
      break;
    }
    count -= slice.size;
    pipe_.slices_.pop_front();
  }
  if (pipe_.room_owed_ && pipe_.size_ <= BodyPipe::kLowWater) pipe_.wake_writer();
}

void BodyReader::abandon() {
  if (pipe_.abandoned_) return;
  pipe_.abandoned_ = true;
  pipe_.slices_.clear();
  pipe_.size_ = 0;
  pipe_.wake_writer();
}

}  // namespace banyan::http
