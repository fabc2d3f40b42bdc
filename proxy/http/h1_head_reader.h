// What the parsers of requests, responses and trailers have in common: taking a head apart into lines without
// looking at a byte again and again, and field lines.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "http/fields.h"
#include "http/h1_parser.h"

namespace banyan::http {

// Errors in the messages of one side: the same fault is 400 in a request and 502 in a response.
class MessageErrors {
 public:
  explicit MessageErrors(Fault fault) : fault_(fault) {}

  bool of_requests() const { return fault_ == Fault::client; }
  Error malformed(std::string message) const;
  // `status` is for requests; `type` of RFC 9209 section 2.3 for responses.
  Error refused(int status, std::string_view type, std::string message) const;

 private:
  Fault fault_;
};

// One call's way through the bytes of a head. Lines are offered when they are worth a look: at the first call
// that sees a part of them, and then not before their end has arrived. So a client that sends byte by byte
// costs two looks at each byte. What is found does not depend on how the bytes were divided: limits are
// applied to offsets in the head, never to what happens to be there.
class HeadReader {
 public:
  HeadReader(const char* base, size_t size, const H1Limits& limits, MessageErrors errors,
             H1HeadProgress& progress);

  // The line under way: its first byte, and how far it may be looked at.
  const char* line() const { return line_; }
  const char* cap() const { return cap_; }
  // False: wait for more bytes.
  bool begin_line() {
    line_ = base_ + progress_.line;
    size_t left = static_cast<size_t>(end_ - line_);
    size_t longest = limits_.line + 2;
    line_capped_ = left >= longest;
    cap_ = line_ + (line_capped_ ? longest : left);
    return progress_.scanned <= progress_.line || worth_another_look();
  }
  // The line ended right before `next`.
  void end_line(const char* next) { progress_.line = static_cast<size_t>(next - base_); }
  // The line does not end before cap(): false to wait for more bytes, or the error that it is too long.
  Result<bool> out_of_bytes(bool start_line);
  // What is wrong with the bytes at `at`, which should be CR LF. Nothing when they are. REQUIRES: at < cap().
  std::optional<Error> line_end_error(const char* at, std::string_view where) const;

  // Reads field lines up to the empty line that ends them; false when bytes are missing. Fields are appended,
  // their views pointing to the bytes.
  Result<bool> read_fields(Underscores underscores, Fields& fields);

  const MessageErrors& errors() const { return errors_; }

 private:
  bool worth_another_look();
  Error byte_error(std::string_view where, char byte) const;
  Error name_error(const char* name, const char* end) const;
  Error value_error(const char* name, const char* name_end, char byte) const;
  Error underscore_error(std::string_view name) const;
  Error too_many_fields() const;

  const char* base_;
  const char* end_;  // of what may be looked at in this head
  const char* line_ = nullptr;
  const char* cap_ = nullptr;
  bool line_capped_ = false;  // the line may not go on behind cap_
  const H1Limits& limits_;
  MessageErrors errors_;
  H1HeadProgress& progress_;
};

// Text moved from `from` to `to`: the same place in it for a view that points into its first `size` bytes.
void move_view(std::string_view& view, const char* from, size_t size, const char* to);
void move_views(Fields& fields, const char* from, size_t size, const char* to);

// The bit of a field in H1HeadProgress::seen and ::repeated.
constexpr uint64_t field_bit(FieldId id) { return uint64_t{1} << static_cast<unsigned>(id); }

}  // namespace banyan::http
