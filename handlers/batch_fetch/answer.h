// The answer of a batch while it grows. Each object is turned into its piece of text when it comes, so that
// at the deadline nothing is left to do but to put the pieces one behind the other.
//
//   JSON      {"complete":false,"results":{ PIECE , PIECE },"missing":["d"],"errors":{"d":"timeout"}}
//             at the end; PIECE is "a":{"status":200,"content_type":"text/plain","etag":"\"…\"","body":"…"}
//   NDJSON    {"key":"a","status":200,…}         as it comes, one a line
//             {"key":"d","error":"timeout"}
//   multipart --B, Banyan-Key: a, Banyan-Status: 200, Content-Type … and the bytes, as it comes
//
// Pieces lie in blocks, which the body pipe takes over without copying.
#pragma once

#include <array>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/buffer.h"
#include "handler/handler.h"
#include "handlers/batch_fetch/format.h"
#include "handlers/batch_fetch/gzip.h"
#include "handlers/batch_fetch/piece.h"
#include "shm/labels.h"

namespace banyan::handlers {

class BatchAnswer {
 public:
  // What it needs; all of it outlives the answer, and the pool what was sent.
  struct Means {
    handler::Call& call;
    BlockPool& pool;
    const std::vector<std::string>& keys;
    Gzip* gzip;   // null: not compressed
    size_t most;  // bytes held; an object that never fits is the error "too_large"
  };

  virtual ~BatchAnswer() = default;

  // What came for keys[index]; once for each.
  void add(size_t index, const Piece& piece);
  // Keys that nothing came for are errors of this name.
  void give_up(std::string_view error);
  // The client does not read as fast as objects come: what is not begun had better wait for on_room of the
  // response's body.
  virtual bool full() const { return false; }
  // What was added is not held any more.
  void forget_bytes() { bytes_ = 0; }
  // Bytes of objects that may be under way for it: what it can still hold of those that it gives away again;
  // otherwise as many as it holds at most, because nobody knows which of them will fit.
  size_t room() const { return streams() ? means_.most - bytes_ : means_.most; }
  // Whether there is room for it, or will never be more.
  bool takes(const Piece& piece) const { return !streams() || bytes_ == 0 || piece.members.size() <= room(); }
  // True when each key has its object or its error.
  bool settled() const { return settled_ == means_.keys.size(); }
  // Writes what was not yet written, and the end. REQUIRES: settled(); call once. `timing` is the value of
  // Server-Timing.
  virtual void send(std::string_view timing) = 0;

  size_t delivered() const { return delivered_; }
  size_t missing() const { return means_.keys.size() - delivered_; }
  // How many keys ended so.
  size_t count(shm::BatchResult result) const { return counts_[static_cast<size_t>(result)]; }

 protected:
  explicit BatchAnswer(const Means& means);

  // A text as it will be sent.
  struct Chunk {
    std::vector<Slice> slices;
    Gzip::Sum sum;
  };

  // It gives objects away as they come.
  virtual bool streams() const { return false; }
  // Writes or keeps the text of an object, or of an error where the format has one for each.
  virtual void take_object(size_t index, const Piece& piece) = 0;
  virtual void take_error(size_t, std::string_view) {}

  std::string_view error(size_t index) const { return errors_[index]; }  // "" for a key with an object
  std::string_view complete() const { return missing() == 0 ? "true" : "false"; }
  const std::vector<std::string>& keys() const { return means_.keys; }
  handler::Call& call() const { return means_.call; }
  bool compressed() const { return means_.gzip != nullptr; }
  // Copies the texts into blocks, compressed or not.
  Chunk pack(std::initializer_list<std::string_view> texts);
  // The same without compressing: gzip's head and tail.
  void append(std::string_view bytes, std::vector<Slice>& slices);
  // Fields that all formats have.
  void add_fields(http::ResponseHead& head, std::string_view content_type) const;

 private:
  void settle(size_t index, std::string_view error, shm::BatchResult result);

  Means means_;
  std::vector<std::string_view> errors_;
  std::vector<bool> is_settled_;
  std::array<size_t, 5> counts_{};
  BlockRef block_;  // being filled
  size_t used_ = 0;
  size_t bytes_ = 0;  // of objects held
  size_t delivered_ = 0;
  size_t settled_ = 0;
};

std::unique_ptr<BatchAnswer> make_json_answer(const BatchAnswer::Means& means);
// These respond at once. Banyan-Complete and Server-Timing come as trailers.
std::unique_ptr<BatchAnswer> make_lines_answer(const BatchAnswer::Means& means);
std::unique_ptr<BatchAnswer> make_multipart_answer(const BatchAnswer::Means& means);

}  // namespace banyan::handlers
