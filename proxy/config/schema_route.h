// What a configuration says of routes; see schema.h.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "config/values.h"

namespace banyan::config {

using namespace std::chrono_literals;  // NOLINT: as in schema.h

struct PathMatch {
  enum class Kind { exact, prefix, regex };
  Kind kind = Kind::prefix;
  // exact: "/batch". prefix: "/live/" for "/live/*", "/" for "/*". regex: RE2 syntax, without "~ ".
  // Never empty after loading.
  std::string value;
  bool operator==(const PathMatch&) const = default;
  std::string text() const;  // as written: "/batch", "/live/*", "~ ^/x$"
};

// headers = { X-Version = "2", X-Beta = true, X-Old = "~ ^1\\." }
struct HeaderMatch {
  enum class Kind { present, absent, equals, regex };
  std::string name;
  Kind kind = Kind::present;
  std::string value;  // for equals and regex
  bool operator==(const HeaderMatch&) const = default;
};

struct Rewrite {
  enum class Kind { prefix, regex };
  Kind kind = Kind::prefix;
  std::string regex;  // Kind::regex: the first match in the path is replaced
  // Kind::prefix: stands for the part that the route's path matched, its last "/" aside: "/new" and "/new/"
  // both make
  // "/new/x" of "/a/x" on a route "/a/*". Kind::regex: the replacement, with "$1" to "$9" and "$$".
  std::string to;
  bool operator==(const Rewrite&) const = default;
};

using HeaderField = std::pair<std::string, std::string>;

struct HeaderRules {
  std::vector<HeaderField> set;
  std::vector<HeaderField> add;
  std::vector<std::string> remove;
  bool empty() const { return set.empty() && add.empty() && remove.empty(); }
  bool operator==(const HeaderRules&) const = default;
};

struct Redirect {
  std::string to;  // URL or path; $scheme, $host (with its port), $path, $query and $request_uri are replaced
  uint32_t status = 302;
  bool operator==(const Redirect&) const = default;
};

struct Reply {
  uint32_t status = 200;
  std::string body;
  bool operator==(const Reply&) const = default;
};

// What requests are counted by.
struct LimitKey {
  enum class Kind { client, route, script };
  Kind kind = Kind::client;
  ClientKey client;  // for Kind::client
  bool operator==(const LimitKey&) const = default;
};

struct Limit {
  Rate rate;
  uint32_t burst = 0;
  LimitKey key;
  uint32_t concurrency = 0;  // requests of one key at the same time; 0 for no limit
  bool dry_run = false;      // only counts what would be refused
  bool operator==(const Limit&) const = default;
};

struct Route {
  // When a request may be sent once more: never, if it is idempotent (RFC 9110 section 9.2.2), or any
  // request.
  enum class Retry { off, idempotent, always };
  std::string name;  // for logs and metrics; after loading never empty (host and path) and unique
  PathMatch path;
  std::vector<std::string> hosts;    // lower case; "*.example.org" allowed; empty: any
  std::vector<std::string> methods;  // empty: any
  std::vector<HeaderMatch> headers;  // all must hold
  // Exactly one of the next three.
  std::optional<Target> target;
  std::optional<Redirect> redirect;
  std::optional<Reply> reply;
  uint64_t max_body = 10 * 1024 * 1024;  // 0: no limit
  Millis deadline = 60s;                 // 0: none; the default is 0 when stream is set
  std::optional<Rewrite> rewrite;
  HeaderRules request_headers;
  HeaderRules response_headers;
  Retry retry = Retry::idempotent;
  std::optional<Limit> limit;
  std::vector<Cidr> allow;  // empty: all; deny is asked first
  std::vector<Cidr> deny;
  bool stream = false;
  bool access_log = true;
  Where where;
  bool operator==(const Route&) const = default;
};

}  // namespace banyan::config
