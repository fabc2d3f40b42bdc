// The answer of a batch while it grows. Each object is turned into its piece of text when it comes, so that
// at the deadline nothing is left to do but to put the pieces one behind the other.
//
//   JSON     {"complete":false,"results":{ PIECE , PIECE },"missing":["d"],"errors":{"d":"timeout"}}   at the
//   end
//            PIECE is "a":{"status":200,"content_type":"text/plain","etag":"\"…\"","body":"…"}
//   NDJSON   {"key":"a","status":200,…}                                                   as it comes, one a
//   line
//            {"key":"d","error":"timeout"}
//
// Pieces lie in blocks, which the body pipe takes over without copying.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/buffer.h"
#include "handler/handler.h"
#include "handlers/object_store.h"

namespace banyan::handlers {

class BatchAnswer {
 public:
  // No more than this is written in one answer; an object that does not fit is the error "too_large".
  static constexpr size_t kLargest = 64 * 1024 * 1024;

  virtual ~BatchAnswer() = default;

  // What came for keys[index]; once for each.
  void add(size_t index, const Object& object);
  // Keys that nothing came for are errors of this name.
  void give_up(std::string_view error);
  // True when each key has its object or its error.
  bool settled() const { return settled_ == keys_.size(); }
  // Writes what was not yet written, and the end. REQUIRES: settled(); call once.
  virtual void send() = 0;

  size_t delivered() const { return delivered_; }
  size_t missing() const { return keys_.size() - delivered_; }

 protected:
  BatchAnswer(handler::Call& call, BlockPool& pool, const std::vector<std::string>& keys)
      : call_(call), keys_(keys), errors_(keys.size()), is_settled_(keys.size()), pool_(pool) {}

  // Writes or keeps the text made of make_piece().
  virtual void take_piece(size_t index, std::string_view text) = 0;
  virtual void make_piece(size_t index, const Object& object, std::string& text) const = 0;
  virtual void note_error(size_t, std::string_view) {}

  std::string_view error(size_t index) const { return errors_[index]; }  // "" for a key with an object
  std::string_view complete() const { return missing() == 0 ? "true" : "false"; }
  // Copies into blocks and appends the slices.
  void append(std::string_view bytes, std::vector<Slice>& slices);

  handler::Call& call_;
  const std::vector<std::string>& keys_;

 private:
  void settle(size_t index, std::string_view error);

  std::vector<std::string_view> errors_;
  std::vector<bool> is_settled_;
  BlockPool& pool_;
  BlockRef block_;  // being filled
  size_t used_ = 0;
  std::string text_;
  size_t bytes_ = 0;
  size_t delivered_ = 0;
  size_t settled_ = 0;
};

// All must outlive the answer, and the pool what was sent.
std::unique_ptr<BatchAnswer> make_json_answer(handler::Call& call, BlockPool& pool,
                                              const std::vector<std::string>& keys);
// Responds at once. Banyan-Complete comes as a trailer.
std::unique_ptr<BatchAnswer> make_lines_answer(handler::Call& call, BlockPool& pool,
                                               const std::vector<std::string>& keys);

}  // namespace banyan::handlers
