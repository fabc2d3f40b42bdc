// Two handler types for the tests of the loader, as handlers/ would write them.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "config/config.h"
#include "config/formats.h"

namespace banyan::config {

struct EchoOptions {
  uint64_t max_body = 1 << 20;
  std::string greeting;
  bool operator==(const EchoOptions&) const = default;
};

inline const Section<EchoOptions>& echo_section() {
  static const Section<EchoOptions> section(
      "echo", "Answers with what it received.",
      {field("max_body", &EchoOptions::max_body, size(), "Longest body that is sent back."),
       field("greeting", &EchoOptions::greeting, text(), "Stands before the body.")});
  return section;
}

struct CacheOptions {
  uint64_t size = 0;
  Millis ttl = 1min;
  bool operator==(const CacheOptions&) const = default;
};

struct FetchOptions {
  enum class Auth { none, sigv4 };
  std::string origin;
  Auth auth = Auth::none;
  Secret secret_key;
  uint32_t max_keys = 1000;
  double hedge = 1.5;
  Millis default_timeout = 1200ms;
  Millis max_timeout = 10s;
  std::optional<CacheOptions> cache;
  bool operator==(const FetchOptions&) const = default;
};

inline const Section<CacheOptions>& cache_section() {
  static const Section<CacheOptions> section(
      "cache", "Keeps objects.",
      {field("size", &CacheOptions::size, size(1), "Memory for objects.").required(),
       field("ttl", &CacheOptions::ttl, duration(), "How long they are kept.")});
  return section;
}

inline const Section<FetchOptions>& fetch_section() {
  static const Section<FetchOptions> section(
      "fetch", "Fetches objects from a store.",
      {field("origin", &FetchOptions::origin, nonempty_text(), "Where the store is.").required(),
       field("auth", &FetchOptions::auth,
             choice<FetchOptions::Auth>(
                 {{"none", FetchOptions::Auth::none}, {"sigv4", FetchOptions::Auth::sigv4}}),
             "How requests are signed."),
       field("secret_key", &FetchOptions::secret_key, secret(), "The key for signatures."),
       field("max_keys", &FetchOptions::max_keys, integer<uint32_t>(1, 10'000), "Most keys in a request."),
       field("hedge", &FetchOptions::hedge, number(1, 10), "When a slow fetch is tried again."),
       field("default_timeout", &FetchOptions::default_timeout, duration(1ms),
             "For requests that name none."),
       field("max_timeout", &FetchOptions::max_timeout, duration(1ms), "The most a request may name."),
       field("cache", &FetchOptions::cache, optional(table(cache_section())), "Keeps objects.")},
      [](FetchOptions& options, const Value& value) {
        if (options.auth == FetchOptions::Auth::sigv4 && !value.has("secret_key")) {
          value.at("secret_key").error("is missing: auth = \"sigv4\" needs it");
        }
        keep_in_order(value, "default_timeout", options.default_timeout, "max_timeout", options.max_timeout);
      });
  return section;
}

// A stand-in for RE2: parentheses must match.
inline std::string check_parentheses(std::string_view pattern) {
  int open = 0;
  for (char c : pattern) open += c == '(' ? 1 : c == ')' ? -1 : 0;
  return open == 0 ? "" : "missing )";
}

inline LoadOptions sample_options() {
  return {{&echo_section(), &fetch_section()}, check_parentheses, [](std::string_view zone) {
            return zone == "UTC" || zone == "Europe/Berlin";
          }};
}

// Sources of one file, /etc/banyan/banyan.toml, that a test may add to.
inline Sources sources_of(std::string text) {
  Sources sources;
  sources.main = "banyan.toml";
  sources.directory = "/etc/banyan";
  sources.files["/etc/banyan/banyan.toml"].content = std::move(text);
  return sources;
}

inline Loaded load_text(std::string text) { return parse(sources_of(std::move(text)), sample_options()); }

// A listener, an upstream and a route, for tests that are about something else.
inline std::string complete(std::string text) {
  return text + R"(
[[listener]]
address = "127.0.0.1:80"
[upstream.node]
servers = ["127.0.0.1:3000"]
[[route]]
path = "/*"
target = "upstream.node"
)";
}

}  // namespace banyan::config
