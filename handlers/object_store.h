// An S3-compatible store, or any HTTP server whose paths are keys: one GET for each object, over the worker's
// fetcher.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "event/loop.h"
#include "handlers/sigv4.h"
#include "net/fetch.h"

namespace banyan::handlers {

// Where objects are: "http://127.0.0.1:4568/content" is a store with path-style buckets and the bucket
// "content".
struct Origin {
  std::string scheme;  // "http" or "https"
  std::string host;    // lower case, with its port unless it is the scheme's
  std::string path;    // "" or "/content", encoded, without a slash at the end
};

// The error's message says what is wrong with the text: no http or https, no host, a user, a query or a
// fragment.
Result<Origin> parse_origin(std::string_view text);

struct StoreOptions {
  Origin origin;
  bool sign = false;  // with Signature V4
  std::string region;
  Credentials credentials;
  size_t max_object = 0;  // bytes
};

// What came for a key.
struct Object {
  int status = 0;          // the store's; 0: no usable answer, `error` says why
  std::string_view error;  // a word: see reason_of()
  std::string detail;      // for the log
  std::string content_type;
  std::string etag;
  std::string code;  // of the store's XML error, with 403 only
  std::string body;  // with 2xx only
};

// The word for a failed fetch: "timeout" "connect" "resolve" "tls" "reset" "too_large" "protocol".
std::string_view reason_of(const Error& error);

// The object of an answer. 2xx and 4xx are what the store says about the key; everything else ("http_503" …)
// and 408 and 429 are failures.
Object read_object(Result<net::FetchResponse> answer);

class ObjectStore {
 public:
  // Both must outlive the store.
  ObjectStore(StoreOptions options, net::Fetcher& fetcher, const event::Loop& loop);

  // GET of the object; the listener gets an answer for read_object(). Any key that parse_batch_request() lets
  // through.
  std::unique_ptr<net::Fetch> fetch(std::string_view key, net::Fetcher::Listener& listener);
  const Origin& origin() const { return options_.origin; }

 private:
  StoreOptions options_;
  net::Fetcher& fetcher_;
  const event::Loop& loop_;
  Signer signer_;
};

}  // namespace banyan::handlers
