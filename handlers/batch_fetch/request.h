// What a client of batch_fetch asks: {"keys": ["a", "b/c"], "timeout_ms": 1200}.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace banyan::handlers {

struct BatchLimits {
  size_t max_keys = 1000;
  Millis default_timeout{1200};
  Millis max_timeout{10'000};
  // Keys with a segment "." or "..", which somebody between us and the store might resolve.
  bool dot_segments = true;
};

struct BatchRequest {
  std::vector<std::string> keys;  // at least one; each once, in the order asked for
  Millis timeout{0};
};

// S3's limit for a key, in bytes of UTF-8.
inline constexpr size_t kLongestKey = 1024;

// The longest body that is read for a request within the limits, with all of its keys escaped.
size_t longest_body(const BatchLimits& limits);

// Error status 400 for what is not JSON, 422 for JSON that says the wrong thing; the message names the field
// and the position: "keys[3]: must be a string". Unknown members are ignored. Works in one pass without
// building a tree, so deep nesting costs nothing.
Result<BatchRequest> parse_batch_request(std::string_view body, const BatchLimits& limits);

}  // namespace banyan::handlers
