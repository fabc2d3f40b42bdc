// The parts of a fetch that need no libcurl: checking what is sent, reading the head of what comes.
#pragma once

#include <string>
#include <string_view>

#include "net/fetch.h"

namespace banyan::net {

// Error when the request would be something else on the wire than it says: a method or field name that is no
// token, a line break in a value, a URL of another scheme or with characters that must be escaped.
Result<void> check_request(const FetchRequest& request);

// For messages: the URL without user, password, query and fragment, which may hold secrets.
std::string display_url(std::string_view url);

// Takes the lines of response heads one by one.
class HeadReader {
 public:
  static constexpr size_t kLongest = 64 * 1024;

  explicit HeadReader(FetchResponse& response) : response_(response) {}
  // One line, with or without its end. A status line begins a new head (after 100 Continue). False when the
  // head is too long.
  bool take_line(std::string_view line);

 private:
  FetchResponse& response_;
  size_t size_ = 0;
};

}  // namespace banyan::net
