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
  pipes_ = nullptr;
  gate_ = nullptr;
  slices_.clear();
  kernel_.reset();
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
  KernelPipes* pipes = pipes_;
  reset();
  reader_listener_ = reader;
  pipes_ = pipes;
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
  pipes_ = nullptr;
  reader_notice_.cancel();
  slices_.insert(slices_.begin(), replay_.begin(), replay_.end());
  size_ += replay_size_;
  replay_.clear();
  replay_size_ = 0;
}

void BodyPipe::reopen() {
  CHECK(ended_ && size_ == 0 && !error_);
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
  bool full = (pipe_.kernel_ || pipe_.size_ >= BodyPipe::kHighWater) && !pipe_.abandoned_;
  if (full) pipe_.room_owed_ = true;
  return full;
}

bool BodyWriter::abandoned() const { return pipe_.abandoned_; }
bool BodyWriter::finished() const { return pipe_.ended_ || pipe_.error_; }

void BodyWriter::write(Slice slice) {
  CHECK(!finished() && !pipe_.kernel_);
  if (pipe_.gate_) slice.size = pipe_.gate_->pass(slice.view());
  if (slice.size == 0) return;
  pipe_.total_ += slice.size;
  if (pipe_.abandoned_) return;
  pipe_.size_ += slice.size;
  pipe_.slices_.push_back(std::move(slice));
  pipe_.wake_reader();
}

bool BodyWriter::may_splice() const {
  return pipe_.pipes_ && !pipe_.gate_ && pipe_.replay_limit_ == 0 && !pipe_.abandoned_ && !finished();
}

std::optional<net::IoResult> BodyWriter::splice(net::Stream& from, size_t most) {
  CHECK(!pipe_.kernel_);
  if (!may_splice() || !from.can_splice()) return std::nullopt;
  KernelPipeRef kernel = pipe_.pipes_->take();
  if (!kernel) return std::nullopt;
  const net::IoResult result = from.splice_in(*kernel, most);
  if (result.status == net::IoStatus::error && pipe_.pipes_->give_up_after(result.error_number))
    return std::nullopt;
  if (result.bytes == 0) return result;
  pipe_.pipes_->count(result.bytes);
  pipe_.kernel_ = std::move(kernel);
  pipe_.total_ += result.bytes;
  pipe_.size_ += result.bytes;
  pipe_.wake_reader();
  return result;
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

void BodyReader::listen(Listener* listener, KernelPipes* pipes) {
  pipe_.reader_listener_ = listener;
  pipe_.pipes_ = pipes;
  if (!listener) {
    pipe_.reader_notice_.cancel();
  } else if (!empty() || pipe_.ended_ || pipe_.error_) {
    pipe_.wake_reader();
  }
}

bool BodyReader::empty() const { return pipe_.size_ == 0; }
size_t BodyReader::size() const { return pipe_.size_; }
const Slice& BodyReader::front() const { return pipe_.slices_.front(); }
const std::deque<Slice>& BodyReader::slices() const { return pipe_.slices_; }
KernelPipe* BodyReader::spliced() const { return pipe_.kernel_.get(); }
bool BodyReader::at_end() const { return pipe_.ended_ && pipe_.size_ == 0; }
bool BodyReader::ending() const { return pipe_.ended_; }
const Error* BodyReader::error() const { return pipe_.error_ ? &*pipe_.error_ : nullptr; }
const Fields& BodyReader::trailers() const { return pipe_.trailers_; }

void BodyReader::consume(size_t count) {
  CHECK(count <= pipe_.size_);
  pipe_.size_ -= count;
  while (count > 0 && !pipe_.slices_.empty()) {
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
  if (pipe_.kernel_ && pipe_.kernel_->held == 0) pipe_.kernel_.reset();
  if (pipe_.room_owed_ && pipe_.size_ <= BodyPipe::kLowWater && !pipe_.kernel_) pipe_.wake_writer();
}

void BodyReader::abandon() {
  if (pipe_.abandoned_) return;
  pipe_.abandoned_ = true;
  pipe_.slices_.clear();
  pipe_.kernel_.reset();
  pipe_.size_ = 0;
  pipe_.wake_writer();
}

}  // namespace banyan::http
