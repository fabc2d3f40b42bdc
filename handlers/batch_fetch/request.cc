#include "handlers/batch_fetch/request.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <unordered_set>

namespace banyan::handlers {
namespace {

using nlohmann::json;

bool has_dot_segment(std::string_view key) {
  while (true) {
    const size_t slash = std::min(key.find('/'), key.size());
    const std::string_view segment = key.substr(0, slash);
    if (segment == "." || segment == "..") return true;
    if (slash == key.size()) return false;
    key.remove_prefix(slash + 1);
  }
}

// `position` counts from 1.
Error not_json(size_t position) {
  return client_error(400, fmt::format("the body is not JSON: wrong at byte {}", position));
}

constexpr size_t kDeepest = 64;  // of members that are ignored

// Takes the parser's events. The first wrong value is told, unless something behind it is no JSON at all.
class BatchReader final : public nlohmann::json_sax<json> {
 public:
  explicit BatchReader(const BatchLimits& limits) : limits_(limits) {}

  Result<BatchRequest> take() {
    if (error_) return *std::move(error_);  // no JSON
    if (wrong_) return *std::move(wrong_);
    if (!saw_keys_) return wrong_value("keys: is missing");
    if (request_.keys.empty()) return wrong_value("keys: must have at least one key");
    if (request_.timeout == Millis(0)) request_.timeout = limits_.default_timeout;
    return std::move(request_);
  }

  bool null() override { return at_timeout() ? done() : scalar("null"); }  // the same as not given
  bool boolean(bool) override { return scalar("a boolean"); }
  bool number_integer(number_integer_t number) override { return integer(number); }
  bool number_unsigned(number_unsigned_t number) override {
    return integer(static_cast<int64_t>(std::min<uint64_t>(number, INT64_MAX)));
  }
  bool number_float(number_float_t number, const string_t&) override {
    if (!at_timeout() || number != std::trunc(number)) return scalar("a number with a fraction");
    constexpr double kMost = 1e15;  // nothing is lost below, and more is too much anyway
    return integer(static_cast<int64_t>(std::clamp(number, -kMost, kMost)));
  }
  bool string(string_t& text) override {
    return depth_ == 2 && in_keys_ ? key_of_object(text) : scalar("a string");
  }
  bool binary(binary_t&) override { return scalar("binary data"); }

  bool start_object(size_t) override { return open("an object", depth_ == 0); }
  bool key(string_t& name) override {
    if (depth_ == 1) member_ = name;
    return true;
  }
  bool end_object() override { return close(); }

  bool start_array(size_t) override {
    const bool keys = depth_ == 1 && member_ == "keys";
    if (keys && saw_keys_) fail("keys: is given twice");
    if (keys) saw_keys_ = in_keys_ = true;
    return open("an array", keys);
  }
  bool end_array() override { return close(); }

  bool parse_error(size_t position, const std::string& token,
                   const nlohmann::detail::exception& problem) override {
    constexpr int kNumberOverflow = 406;  // out_of_range.406
    if (problem.id != kNumberOverflow) {
      error_ = not_json(position);
    } else if (at_timeout()) {
      too_long();
    } else {
      error_ = client_error(400, fmt::format("the body has a number that is too large: {:.40}", token));
    }
    return false;
  }

 private:
  static Error wrong_value(std::string message) { return client_error(422, std::move(message)); }
  bool at_timeout() const { return depth_ == 1 && member_ == "timeout_ms"; }

  bool fail(std::string message) {
    if (!wrong_) wrong_ = wrong_value(std::move(message));
    return true;
  }

  bool too_long() { return fail(fmt::format("timeout_ms: must be at most {}", limits_.max_timeout.count())); }

  bool done() {
    member_.clear();
    return true;
  }

  // A value where one is not known to fit.
  bool scalar(std::string_view what) {
    if (depth_ == 0) return fail(fmt::format("the body must be a JSON object, not {}", what));
    if (depth_ == 1 && member_ == "keys")
      return fail(fmt::format("keys: must be an array of strings, not {}", what));
    if (at_timeout()) return fail(fmt::format("timeout_ms: must be a whole number, not {}", what));
    if (depth_ == 2 && in_keys_) return fail(fmt::format("keys[{}]: must be a string, not {}", index_, what));
    return true;
  }

  bool open(std::string_view what, bool expected) {
    if (!expected) scalar(what);
    if (++depth_ <= kDeepest) return true;
    fail(fmt::format("the body is nested more than {} deep", kDeepest));
    return false;
  }

  bool close() {
    if (--depth_ == 1) in_keys_ = false;
    return true;
  }

  bool integer(int64_t number) {
    if (!at_timeout()) return scalar("a number");
    if (number <= 0) return fail("timeout_ms: must be at least 1");
    if (number > limits_.max_timeout.count()) return too_long();
    request_.timeout = Millis(number);
    return done();
  }

  bool key_of_object(std::string& text) {
    if (index_ >= limits_.max_keys)
      return fail(fmt::format("keys: must be at most {} keys", limits_.max_keys));
    if (text.empty()) return fail(fmt::format("keys[{}]: must not be empty", index_));
    if (text.size() > kLongestKey) {
      return fail(fmt::format("keys[{}]: is longer than {} bytes", index_, kLongestKey));
    }
    if (!limits_.dot_segments && has_dot_segment(text)) {
      return fail(fmt::format("keys[{}]: must not have \".\" or \"..\" between slashes", index_));
    }
    ++index_;
    if (seen_.insert(text).second) request_.keys.push_back(std::move(text));
    return true;
  }

  const BatchLimits& limits_;
  BatchRequest request_;
  std::optional<Error> error_, wrong_;
  std::string member_;  // of the outermost object
  size_t depth_ = 0;
  size_t index_ = 0;  // in keys
  bool saw_keys_ = false;
  bool in_keys_ = false;
  std::unordered_set<std::string> seen_;
};

}  // namespace

size_t longest_body(const BatchLimits& limits) {
  constexpr size_t kFrame = 4096;
  constexpr size_t kEscaped = 6;  // "\\u0001"
  return kFrame + limits.max_keys * (kLongestKey * kEscaped + 8);
}

Result<BatchRequest> parse_batch_request(std::string_view body, const BatchLimits& limits) {
  // The parser takes a NUL for the end of the text.
  if (const size_t nul = body.find('\0'); nul != body.npos) return not_json(nul + 1);
  BatchReader reader(limits);
  json::sax_parse(body.begin(), body.end(), &reader);
  return reader.take();
}

}  // namespace banyan::handlers
