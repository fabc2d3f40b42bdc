// Parsing texts in tests: a message in a block, parsed in one go.
#pragma once

#include <cstring>
#include <string>
#include <string_view>

#include "base/buffer.h"
#include "http/h1_parser.h"

namespace banyan::http {

class BlockOf {
 public:
  explicit BlockOf(std::string_view bytes)
      : pool_(bytes.size() + 1, 0), block_(pool_.take()), size_(bytes.size()) {
    if (size_) std::memcpy(block_.bytes(), bytes.data(), size_);
  }
  const BlockRef& ref() const { return block_; }
  size_t size() const { return size_; }

 private:
  BlockPool pool_;
  BlockRef block_;
  size_t size_;
};

struct RequestText {
  explicit RequestText(std::string_view bytes, const H1Limits& limits = {}) : block(bytes) {
    H1HeadProgress progress;
    result = parse_request_head(block.ref(), 0, block.size(), limits, progress, head);
  }
  bool complete() const { return result.ok() && *result > 0; }
  // "400 what was wrong", "incomplete" or "complete".
  std::string outcome() const {
    if (!result) return std::to_string(result.error().status) + " " + result.error().message;
    return *result > 0 ? "complete" : "incomplete";
  }

  BlockOf block;
  RequestHead head;
  Result<size_t> result = size_t{0};
};

struct ResponseText {
  explicit ResponseText(std::string_view bytes, Method method = Method::get,
                        const H1Limits& limits = H1Limits::for_responses())
      : block(bytes) {
    H1HeadProgress progress;
    result = parse_response_head(block.ref(), 0, block.size(), limits, method, progress, head);
  }
  bool complete() const { return result.ok() && result->consumed > 0; }
  // "type: what was wrong", "incomplete" or "complete".
  std::string outcome() const {
    if (!result) return std::string(result.error().type) + ": " + result.error().message;
    return result->consumed > 0 ? "complete" : "incomplete";
  }

  BlockOf block;
  ResponseHead head;
  Result<ResponseParse> result = ResponseParse{};
};

}  // namespace banyan::http
