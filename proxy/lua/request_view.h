// The request as a script sees it: read-only, looked up field by field, never copied as a whole.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

namespace banyan::lua {

struct Field {
  std::string_view name;
  std::string_view value;
};

// Implemented by whoever calls Script::route, over the client's unchanged request head. Every text must stay
// where it is until route() returns. No function may throw: they run inside C code.
class RequestView {
 public:
  virtual ~RequestView() = default;

  virtual std::string_view method() const = 0;
  virtual std::string_view path()
      const = 0;  // normalised, without the query; what routing and forwarding see
  virtual std::string_view query() const = 0;  // after the "?", not decoded; empty if there is none
  virtual std::string_view host() const = 0;   // lower case, without port; empty if there is none
  virtual std::string_view client_ip() const = 0;
  virtual std::string_view route() const = 0;  // the name of the route of the static match
  virtual bool tls() const = 0;
  virtual std::string_view client_subject() const { return {}; }  // of its certificate; empty: it showed none

  // The header fields in the order of the request; REQUIRES: index < header_count().
  virtual size_t header_count() const = 0;
  virtual Field header_at(size_t index) const = 0;

  // The value of the first field of that name, without regard to case. Override it where look-up is quicker.
  virtual std::optional<std::string_view> header(std::string_view name) const;

  // The value of the first cookie of that name (case matters, RFC 6265 section 5.4), quotes and all.
  virtual std::optional<std::string_view> cookie(std::string_view name) const;
};

// A place in the cookies of a request. A plain value, so that it can live in a script's state.
struct CookiePlace {
  size_t header = 0;
  size_t offset = 0;
};

// Moves to the next `name=value` of the Cookie fields (RFC 6265 section 4.2.1, blanks around both dropped,
// parts without "=" skipped). False at the end.
bool next_cookie(const RequestView& request, CookiePlace& place, Field& cookie);

}  // namespace banyan::lua
