// For handlers that compute: code that may take long runs on the thread pool, never on the loop.
//
//   client ─▶ offload()'s Handler: collects the body ─▶ pool thread: serve(request) ─▶ loop: the answer
//
// Request and Response own their texts, because they travel between threads.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "http/head.h"

namespace banyan::handler {

using TextField = std::pair<std::string, std::string>;  // name, value

// A whole request as the target is to see it (Call::outbound), with its body.
struct Request {
  http::Method method = http::Method::get;
  std::string method_text;
  std::string path;   // normalised
  std::string query;  // without '?'
  std::string host;
  std::string client_ip;
  std::vector<TextField> fields;
  std::string body;
  TimePoint deadline = TimePoint::max();  // nobody waits for the answer any more after it

  // The value of the first field of that name in any case, or an empty view.
  std::string_view field(std::string_view name) const;
};

// A whole response. Content-Length is set from the body.
struct Response {
  int status = 200;
  std::vector<TextField> fields;
  std::string body;
};

// Plug-in code that may block or compute. offload() (handler/offload.h) makes a Handler of it.
class BlockingHandler {
 public:
  virtual ~BlockingHandler() = default;
  // Called on any pool thread, several at a time: what it changes in the object it must guard. An exception
  // becomes a 500. The destructor may run on a pool thread too, after the last call.
  virtual Response serve(const Request& request) const = 0;
};

}  // namespace banyan::handler
