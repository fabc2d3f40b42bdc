// Rewriting the path on its way to the target, and the location of a redirect.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "base/arena.h"
#include "base/result.h"
#include "config/schema.h"

namespace re2 {
class RE2;
}

namespace banyan::route {

class Rewriter {
 public:
  // The rules must outlive the result.
  static Result<Rewriter> make(const config::Route& rules);

  // The path the target sees: `path` itself when nothing is to be changed, else a text in `arena`. Always
  // begins with
  // "/". A regular expression that does not match changes nothing.
  std::string_view rewrite(std::string_view path, Arena& arena) const;

 private:
  // A part of the replacement: literal text, or a group of the match.
  struct Part {
    std::string_view text;
    int group = -1;
  };

  const config::Rewrite* rules_ = nullptr;
  size_t matched_prefix_ = 0;
  std::shared_ptr<const re2::RE2> regex_;
  std::vector<Part> parts_;
};

// What a redirect may take over from the request.
struct RedirectFacts {
  std::string_view scheme;
  std::string_view host;  // with its port
  std::string_view path;
  std::string_view query;
  bool has_query = false;
};

// The Location of a redirect: $scheme, $host, $path, $query (with its "?" when there is one) and $request_uri
// (path and query) are replaced. Several slashes at the beginning become one: "//evil.example" would name
// another host.
std::string_view redirect_location(const config::Redirect& redirect, const RedirectFacts& facts,
                                   Arena& arena);

}  // namespace banyan::route
