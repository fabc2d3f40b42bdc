// One normal form of a path for routing and for forwarding (RFC 3986 section 6.2.2), so that no request can
// be routed as one thing and understood by the server behind as another.
//
//   /a/./b/../c  →  /a/c          dot segments are resolved
//   /%7euser     →  /~user        what needs no encoding is decoded
//   /a%c3%a9     →  /a%C3%A9      encodings in upper case
//   /a|b"c       →  /a%7Cb%22c    what must not stand in a path is encoded
//   /a//b        →  /a/b          slashes are merged, as nginx does (merge_slashes): many servers take both
//   for the
//                                 same, so "//admin" must not slip past a route for "/admin"
//   /a%252f      →  /a%252f       decoded once, never twice
//
// Refused with 400, because servers disagree on their meaning: "\", "%2F" and "%5C" (unless kept), "%00", an
// incomplete
// "%", ".." above the root, dot segments with parameters ("/..;x/", Tomcat), dot segments that appear only
// after a second decoding ("/%252e%252e/").
#pragma once

#include <string_view>

#include "base/arena.h"
#include "base/result.h"

namespace banyan::http {

struct PathRules {
  bool merge_slashes = true;
  // Accept "%2F" and "%5C" and pass them on as data, for services that take whole keys or URLs as one segment
  // ("/objects/a%2Fb"). Only where no server behind decodes them before it decides on access. Dot segments
  // between such encoded slashes are still refused.
  bool keep_encoded_slashes = false;
};

// The normal form of an absolute path ("/…", without query). Returns `path` itself, no copy, when it is
// normal already; else text in `arena`. Normalising twice changes nothing. Errors are the client's, status
// 400. REQUIRES: only visible ASCII characters without '?' and '#'.
Result<std::string_view> normalise_path(std::string_view path, const PathRules& rules, Arena& arena);

}  // namespace banyan::http
