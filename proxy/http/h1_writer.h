// Writes the heads of HTTP/1 messages.
//
//   POST /a?b HTTP/1.1 CRLF                HTTP/1.1 200 OK CRLF
//   Host: example.org CRLF                 X-Own: field CRLF
//   X-Own: field CRLF                      Content-Length: 5 CRLF
//   Transfer-Encoding: chunked CRLF        Connection: close CRLF
//   CRLF                                   CRLF
//
// Framing and everything hop-by-hop is made anew from the options: of `head.fields`, those that
// kHopByHopFields are left out (and Host of a request, which comes from `head.host`). What Connection named
// must have been left out before: add_end_to_end_fields. No text can break out of its place: control
// characters in values and reasons become spaces, fields whose names are no tokens are left out, and what
// must not stand in a target is percent-encoded.
#pragma once

#include <string>

#include "http/h1_sender.h"
#include "http/head.h"

namespace banyan::http {

struct RequestOptions {
  Framing framing = Framing::none;  // none, sized (size from head.body) or chunked
  bool keep_alive = true;           // false: "Connection: close"
};

// Appends a request as it goes to an upstream, always HTTP/1.1: method_text, path and query, host, fields.
// With `head.upgrade` it asks for that protocol. Framing::none gives "Content-Length: 0" for POST, PUT and
// PATCH, which servers expect to have a length (RFC 9110 section 8.6). REQUIRES: method_text is a token.
void write_request_head(const RequestHead& head, const RequestOptions& options, std::string& out);

struct ResponseOptions {
  Framing framing = Framing::none;  // sized: size from head.body
  bool interim = false;             // 1xx but 101: neither framing nor Connection
  bool upgrade = false;             // 101: Connection and the Upgrade from head.fields
  bool keep_alive = true;           // false, or Framing::until_close: "Connection: close"
  bool old_client = false;          // HTTP/1.0: "Connection: keep-alive" has to be said
  Method request_method = Method::get;
};

// Appends a response as it goes to a client, always HTTP/1.1 (as nginx and RFC 9112 section 2.3). An empty
// reason means the usual one. Content-Length of an answer to HEAD, and of 304, tells the size the body would
// have: from head.body when it is sized, else from the field of that name. A status that is not a three-digit
// number from 100 on is written as 500. Date and Server are the caller's.
void write_response_head(const ResponseHead& head, const ResponseOptions& options, std::string& out);

}  // namespace banyan::http
