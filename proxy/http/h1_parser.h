// The heads of HTTP/1 messages (RFC 9112): strict, one pass, no copies.
//
//   GET /a?b HTTP/1.1 CRLF        HTTP/1.1 200 OK CRLF
//   Host: example.org CRLF        Content-Length: 5 CRLF
//   CRLF                          CRLF
//
// What could be read in two ways is refused, never repaired: a bare CR or LF, NUL and other control
// characters, folded lines, blanks before a colon, names that are no tokens, Content-Length that is not one
// plain number, Transfer-Encoding that is not exactly `chunked`, both of them together. The one leniency is
// RFC 9112 section 2.2: up to two empty lines before a request.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/buffer.h"
#include "base/result.h"
#include "http/head.h"
#include "http/path.h"

namespace banyan::http {

// What to do with request fields like "X_Real_IP", which CGI-like servers cannot tell from "X-Real-IP".
enum class Underscores : uint8_t {
  drop,    // the field is left out (nginx underscores_in_headers off)
  accept,  // taken like any other
  reject,  // 400
};

struct H1Limits {
  size_t head = 32 * 1024;  // the whole head, line ends included: 431
  size_t line = 8 * 1024;   // the start line (414) and each field line (431), line ends not included
  size_t fields = 100;      // 431
  Underscores underscores = Underscores::drop;  // of requests
  PathRules path{};

  // For upstreams: Node applications set large cookies, and nginx's 4 KiB buffer is the cause of many a 502.
  static H1Limits for_responses() {
    return {.head = 64 * 1024, .line = 64 * 1024, .underscores = Underscores::accept};
  }
};

// How far a head has been parsed, for a head that arrives in pieces: no byte is looked at more than twice. A
// new head begins with a fresh value. The members are the parsers' own.
struct H1HeadProgress {
  const char* base = nullptr;  // where the head's first byte lay at the last call
  size_t line = 0;             // offset of the line under way
  size_t scanned = 0;          // there is no LF from `line` up to here
  size_t fields = 0;           // field lines so far, dropped ones included
  uint64_t seen = 0;           // one bit for each FieldId among them
  uint64_t repeated = 0;       // those that came more than once
  uint8_t empty_lines = 0;     // before the start line
  bool start_line_done = false;
};

// Parses the request head that begins at `begin` of `block`; `end` is the end of what was received so far.
// Returns the size of the head (empty lines before it included), or 0 when it is not complete: call again
// with more bytes and the same `progress` and `head`. `end` never goes back. Between calls the bytes from
// `begin` on may be moved to another block or another place in it, all together and unchanged; nothing else
// may be moved or overwritten.
//
// On completion `head.storage` holds the block, into which its views point. Before that, and after an error,
// only method, target and what else was read up to there is set, for the log, and valid as long as the caller
// keeps the bytes.
//
// Errors (the client's; the connection must be closed after any of them):
//   400  anything malformed or ambiguous          417  Expect: other than 100-continue
//   405  CONNECT (as nginx; this is no forward proxy)   431  a field, all of them, or their number too large
//   414  the request line is too long             501  a transfer coding other than chunked; a method above
//   32 bytes 505  a version other than HTTP/1.x
//
// Decisions where the RFCs leave a choice:
//   - HTTP/1.2 to 1.9 are taken as 1.1 (RFC 9110 section 2.5).
//   - Content-Length twice is refused even when both are the same; up to 2^63-1.
//   - An empty Host is accepted, as RFC 9112 section 3.2 has it; `host` is empty then.
//   - The absolute form (http and https only) replaces Host, which must be valid but may differ.
//   - Connection must not name fields that carry identity, framing or addressing (Host, Content-*,
//   Transfer-Encoding,
//     Authorization, Cookie, Forwarded, X-Forwarded-*, X-Real-IP, X-Request-ID, X-Banyan-*, Origin, Via,
//     Date, Expect, Idempotency-Key, traceparent, tracestate): 400, because the next hop would miss them. At
//     most 32 options.
//   - `upgrade` is set only in HTTP/1.1 without a body, when Connection names it, for one single protocol
//   that is not
//     h2c (which would tunnel requests past the proxy), or to "websocket" alone when that is among several.
//     Else Upgrade is ignored (RFC 9110 section 7.8).
//   - `expect_continue` is set only when there is a body to wait for; HTTP/1.0 has no expectations.
//   - TRACE with a body is refused (RFC 9110 section 9.3.8).
Result<size_t> parse_request_head(const BlockRef& block, size_t begin, size_t end, const H1Limits& limits,
                                  H1HeadProgress& progress, RequestHead& head);

struct ResponseParse {
  size_t consumed = 0;       // size of the head; 0: not complete
  bool until_close = false;  // the body ends with the connection (body.kind is streamed, keep_alive false)
};

// The same for the head of a response to a request with `method`. An informational response (1xx) is a head
// of its own; the next call, with fresh `progress`, gets the one after it.
//
// `body` is what follows on the wire: nothing for 1xx, 204, 304 and answers to HEAD, whose Content-Length
// stays in `fields`. `keep_alive` is false when the connection cannot carry another exchange: also for 1xx or
// 204 with framing that promises a body.
//
// Errors are the upstream's, with status 502 and a type of RFC 9209: http_response_header_section_size,
// http_response_header_size, http_response_transfer_coding (Transfer-Encoding faulty, unknown, in HTTP/1.0,
// or beside Content-Length), http_protocol_error for everything else.
Result<ResponseParse> parse_response_head(const BlockRef& block, size_t begin, size_t end,
                                          const H1Limits& limits, Method method, H1HeadProgress& progress,
                                          ResponseHead& head);

}  // namespace banyan::http
