// What a store says about one key.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/error.h"
#include "http/head.h"

namespace banyan::handlers {

// Bytes as they were received, joined only when they came in several pieces.
class Bytes {
 public:
  void add(const Slice& slice);
  std::string_view view() const { return slice_.block ? slice_.view() : std::string_view(joined_); }
  size_t size() const { return view().size(); }

 private:
  Slice slice_;
  std::string joined_;
};

// How long an answer may be used, as its Cache-Control, Expires and Age say (RFC 9111 section 4.2, RFC 5861).
struct Lifetime {
  bool storable = true;                    // no-store and private say no
  std::optional<Millis> fresh;             // nothing said: not set
  std::optional<Millis> while_revalidate;  // stale-while-revalidate
};
Lifetime read_lifetime(const http::Fields& fields, WallTime now);

struct Object {
  int status = 0;          // the store's; 0: no usable answer, `error` says why
  std::string_view error;  // a word, static: see reason_of(); "http_503" …
  std::string detail;      // for the log
  std::string content_type;
  std::string content_encoding;  // of the bytes as they are; "identity" is left out
  std::string etag;
  std::string code;      // of the store's XML error
  std::string region;    // where the bucket is, when the store says so with a redirect or an error
  std::string location;  // of a redirect
  Bytes body;            // with 2xx only
  Lifetime lifetime;
  std::optional<Duration> retry_after;  // with a failure: how long the store wants to be left alone
  int answered = 0;                     // the status on the wire, also of failures; 0: there was none
  bool unsent = false;     // a kept connection was gone before a byte was answered: worth another one at once
  bool transient = false;  // a failure that another attempt may not have
};

// The word for a failed fetch: "timeout" "connect" "resolve" "tls" "reset" "too_large" "protocol".
std::string_view reason_of(const Error& error);

Object failed_object(const Error& error);
// The object of an answer. 2xx, 4xx and the 304 that was asked for (`conditional`) are what the store says
// about the key; everything else ("http_503" …) and 408 and 429 are failures.
Object read_object(const http::ResponseHead& head, Bytes body, bool conditional, WallTime now);
// A 4xx that is not about the one object but about who asks: credentials, rights, a token that has expired.
bool is_refusal(int status);

}  // namespace banyan::handlers
