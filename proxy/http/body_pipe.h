// A bounded queue of bytes between one writer and one reader: the only flow-control device in Banyan.
//
//   writer:  while (more && !writer.full()) writer.write(slice);   then wait for on_room
//   reader:  while (!reader.empty()) consume(front());             then wait for on_body
//
// The bound is soft: a write is always taken whole, `full()` tells that the high-water mark is reached, and a
// writer that saw it is owed one on_room when the queue has drained to the low-water mark. Notices come from
// the loop's deferred queue, never inside a call. After end(), fail() or abandon() the other side is told
// once.
//
// Between two plain sockets the bytes of a large body need not come into this process: a writer can splice()
// them, and a reader who said that it takes such finds them, behind the slices, in a pipe of the kernel's.
#pragma once

#include <cstddef>
#include <deque>
#include <optional>
#include <string_view>
#include <vector>

#include "base/buffer.h"
#include "base/error.h"
#include "event/deferred.h"
#include "http/fields.h"
#include "net/stream.h"

namespace banyan::http {

class BodyPipe;

// The writer's end.
class BodyWriter {
 public:
  class Listener {
   public:
    // There is room again, or the reader has gone (abandoned()).
    virtual void on_room() = 0;

   protected:
    ~Listener() = default;
  };

  // Looks at everything that is written.
  class Gate {
   public:
    // How many of these bytes pass; those behind are dropped. Must not write.
    virtual size_t pass(std::string_view bytes) = 0;

   protected:
    ~Gate() = default;
  };

  // Null for none, as at the beginning and after reset().
  void set_gate(Gate* gate);
  // Who hears on_room; null for nobody. The listener must outlive the pipe or be taken out.
  void listen(Listener* listener);
  bool full();
  // The reader will not read any more: writes are dropped, and end() is not needed.
  bool abandoned() const;
  // REQUIRES (all three): neither end() nor fail() was called.
  void write(Slice slice);
  // The reader takes spliced bytes, and nobody looks at the bytes here or keeps them.
  bool may_splice() const;
  // Moves up to `most` bytes that the stream has within the kernel; full() until the reader has them all.
  // Nothing when the bytes have to be read and written: !may_splice(), or there is no pipe. REQUIRES:
  // !full().
  std::optional<net::IoResult> splice(net::Stream& from, size_t most);
  // Copies into blocks of `pool`, which must outlive the pipe's content.
  void write_copy(BlockPool& pool, std::string_view bytes);
  void end();
  // End with trailer fields, whose texts are copied.
  void end(const Fields& trailers);
  // The body breaks off: whoever reads it must not take it for complete.
  void fail(Error error);
  bool finished() const;

 private:
  friend class BodyPipe;
  explicit BodyWriter(BodyPipe& pipe) : pipe_(pipe) {}
  BodyPipe& pipe_;
};

// The reader's end.
class BodyReader {
 public:
  class Listener {
   public:
    // There are bytes, or the end, or a failure.
    virtual void on_body() = 0;

   protected:
    ~Listener() = default;
  };

  // Who hears on_body; told at once (deferred) when something is there already. With `pipes` it takes spliced
  // bytes, too, which are in one of these.
  void listen(Listener* listener, KernelPipes* pipes = nullptr);
  bool empty() const;
  size_t size() const;
  // REQUIRES: !slices().empty(). Valid until consume().
  const Slice& front() const;
  // The queued slices, oldest first, for gathering writes.
  const std::deque<Slice>& slices() const;
  // The bytes behind the slices, null if there are none: to be taken out (Stream::splice_out), then consumed.
  KernelPipe* spliced() const;
  // Drops the first `count` bytes. REQUIRES: count <= size().
  void consume(size_t count);
  // All bytes were read and the writer said end().
  bool at_end() const;
  // The writer said end(): what is queued is the rest.
  bool ending() const;
  const Error* error() const;
  const Fields& trailers() const;
  // Read no more. Queued bytes are dropped.
  void abandon();

 private:
  friend class BodyPipe;
  explicit BodyReader(BodyPipe& pipe) : pipe_(pipe) {}
  BodyPipe& pipe_;
};

class BodyPipe {
 public:
  static constexpr size_t kHighWater = 64 * 1024;
  static constexpr size_t kLowWater = 16 * 1024;

  // The loop must outlive the pipe.
  explicit BodyPipe(event::Loop& loop);
  BodyPipe(const BodyPipe&) = delete;
  BodyPipe& operator=(const BodyPipe&) = delete;

  BodyReader& reader() { return reader_; }
  BodyWriter& writer() { return writer_; }
  // Back to the state after construction, listeners taken out; keeps memory for reuse.
  void reset();
  // After 101 the request body, which had ended, begins again as the tunnel. REQUIRES: ended, all read.
  void reopen();
  // From now on what is consumed is kept, up to `limit` bytes, so that it can be read once more.
  void keep_for_replay(size_t limit) { replay_limit_ = limit; }
  // Nothing was consumed, or all of it was kept, and the reader did not abandon the pipe.
  bool can_rewind() const { return !abandoned_ && !kernel_ && taken() == replay_size_; }
  // What was consumed is to be read again, by another reader. REQUIRES: can_rewind().
  void rewind();
  // Forgets everything written; the listener at the reader's end stays, the writer's goes.
  void restart();
  // Bytes that the reader has consumed.
  uint64_t taken() const { return total_ - size_; }
  // Bytes ever written.
  uint64_t total() const { return total_; }

 private:
  friend class BodyReader;
  friend class BodyWriter;
  void keep(const Slice& slice, size_t count);
  void wake_reader();
  void wake_writer();
  void notify_reader();
  void notify_writer();

  BodyReader reader_{*this};
  BodyWriter writer_{*this};
  std::deque<Slice> slices_;
  KernelPipeRef kernel_;  // while it holds bytes
  size_t size_ = 0;
  uint64_t total_ = 0;
  std::vector<Slice> replay_;
  size_t replay_size_ = 0;
  size_t replay_limit_ = 0;
  bool ended_ = false;
  bool abandoned_ = false;
  bool room_owed_ = false;
  std::optional<Error> error_;
  Fields trailers_;
  BodyReader::Listener* reader_listener_ = nullptr;
  KernelPipes* pipes_ = nullptr;  // the reader's
  BodyWriter::Listener* writer_listener_ = nullptr;
  BodyWriter::Gate* gate_ = nullptr;
  event::Deferred reader_notice_;
  event::Deferred writer_notice_;
};

}  // namespace banyan::http
