// The head of a request and of a response, independent of the protocol version that carried it.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/arena.h"
#include "base/buffer.h"
#include "http/fields.h"

namespace banyan::http {

enum class Method : uint8_t { get, head, post, put, delete_, connect, options, trace, patch, other };

Method parse_method(std::string_view text);
std::string_view method_name(Method method);  // "OTHER" for Method::other
// RFC 9110 section 9.2.1 and 9.2.2.
bool is_safe(Method method);
bool is_idempotent(Method method);

// What is known of a body before it arrives: there is none, its size, or that it ends when it ends.
enum class BodyKind : uint8_t { none, sized, streamed };

struct BodyLength {
  BodyKind kind = BodyKind::none;
  uint64_t size = 0;  // for BodyKind::sized
  // "Content-Length: 0" says that there is no content (RFC 9110 section 8.6), which some clients add to every
  // request.
  bool is_empty() const { return kind == BodyKind::none || (kind == BodyKind::sized && size == 0); }
};

// A request as the client sent it. Const once parsed: what goes upstream is a new value made from it.
// All views point into `storage`, `text` or static memory, so they live as long as the head.
struct RequestHead {
  Method method = Method::get;
  std::string_view method_text;
  std::string_view target;  // the request-target as received
  std::string_view
      path;  // normalised (http/path.h): routing and forwarding use this one form; "*" for OPTIONS *
  std::string_view query;  // without '?'
  bool has_query = false;  // "/x?" has an empty one
  std::string_view
      host;  // authority from absolute-form or Host, with port if given; empty in HTTP/1.0 without
  uint8_t minor_version = 1;
  bool keep_alive = true;  // what the client wishes (RFC 9112 section 9.3)
  bool expect_continue = false;
  std::string_view upgrade;  // value of Upgrade when Connection names it, else empty
  BodyLength body;
  Fields fields;  // everything as received, framing and hop-by-hop fields included

  BlockRef storage;
  Arena text;

  void clear();
};

// A response, from an upstream or a handler. For the client `body` decides the framing; fields that frame
// (Content-Length, Transfer-Encoding) and hop-by-hop fields in `fields` are not sent on.
struct ResponseHead {
  int status = 200;
  std::string_view reason;  // empty: the usual phrase
  uint8_t minor_version = 1;
  bool keep_alive = true;  // of the connection it came on
  BodyLength body;
  Fields fields;

  BlockRef storage;

  void clear();
};

// "Not Found" for 404, "" when unknown (RFC 9110 section 15).
std::string_view reason_phrase(int status);

// True for the responses that have no body whatever their fields say: 1xx, 204, 304 and answers to HEAD
// (RFC 9112 section 6.3).
bool has_no_body(Method request_method, int status);

// The fields that belong to one connection or that the proxy makes anew for each hop (RFC 9110
// section 7.6.1), with Content-Length among them. `Trailer` and `Proxy-Status` travel on.
inline constexpr FieldSet kHopByHopFields = {
    FieldId::connection,         FieldId::content_length,
    FieldId::http2_settings,     FieldId::keep_alive,
    FieldId::proxy_authenticate, FieldId::proxy_authorization,
    FieldId::proxy_connection,   FieldId::te,
    FieldId::transfer_encoding,  FieldId::upgrade,
};

// Adds to `to` what may travel past this hop of `from`: not the hop-by-hop fields, not those that Connection
// names, not the framing (RFC 9110 section 7.6.1), and none of `except`. Views are shared, not copied.
void add_end_to_end_fields(const Fields& from, Fields& to, FieldSet except = {});

}  // namespace banyan::http
