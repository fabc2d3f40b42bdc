// One request as a line of the access log: nginx's combined format, or JSON with nginx's variable names and
// ours.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "config/schema.h"
#include "exchange/termination.h"
#include "handler/handler.h"
#include "http/head.h"
#include "route/decide.h"

namespace banyan::exchange {

struct AccessFacts {
  const http::RequestHead* request = nullptr;  // null when the head could not be understood
  const route::Decision* decision = nullptr;
  const handler::Notes* notes = nullptr;
  std::string_view remote_addr;
  std::string_view request_id;
  std::string_view trace_id;
  std::string_view tls_protocol;
  std::string_view client_subject;
  std::string_view time_iso8601;
  std::string_view time_local;
  int status = 0;
  uint64_t body_bytes_sent = 0;
  uint64_t request_length = 0;
  Duration request_time{};
  uint32_t conn_requests = 0;
  bool fallback = false;             // legacy answered what native could not
  std::string_view fallback_reason;  // why, or "budget": it was not allowed to
  Termination term;
  std::string_view error;  // what went wrong, for people
  int worker = 0;
};

// Appends the line with its newline. Control characters, quotes and backslashes from the network are escaped;
// the value of "access_token" in a query, which is a secret, is replaced by "***".
void append_access_line(const AccessFacts& facts, config::AccessLog::Format format, std::string& out);

}  // namespace banyan::exchange
