// What went wrong, whose fault it was, and whether another attempt may help.
//
// An Error is made where the failure is seen and travels unchanged to the place that answers: the
// exchange turns it into a status, a Proxy-Status field (RFC 9209) and a log line.
#pragma once

#include <string>
#include <string_view>

#include "base/clock.h"

namespace banyan {

enum class Fault { client, upstream, handler, proxy };

// "client", "upstream", "handler" or "proxy".
std::string_view fault_name(Fault fault);

struct Error {
  Fault fault = Fault::proxy;
  // The HTTP status to answer with if nothing was sent yet.
  int status = 500;
  // Error type of RFC 9209 section 2.3, for example "connection_refused". Static storage.
  std::string_view type = "proxy_internal_error";
  // For people: one line, no trailing full stop.
  std::string message;
  // True when nothing of the request was handed over, so any request may be tried again elsewhere.
  bool nothing_sent = false;
  // When it may be better, for the field Retry-After; zero: nobody knows.
  Duration retry_after{};
};

// Shorthands for the common cases.
Error client_error(int status, std::string message);
Error upstream_error(int status, std::string_view type, std::string message);
Error handler_error(int status, std::string message);
Error proxy_error(std::string message);

// The message with errno's text: "open /x: Permission denied".
Error system_error(std::string_view doing, int error_number);

}  // namespace banyan
