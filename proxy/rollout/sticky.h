// The sticky key: what makes two requests "the same client" for a rollout (or for a limit).
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "config/values.h"

namespace banyan::rollout {

// Where a request's keys come from. The exchange has one for its request.
class KeyReader {
 public:
  // The value of the first cookie of that name over all Cookie fields, see find_cookie().
  virtual std::string_view cookie(std::string_view name) const = 0;
  // The value of the first field of that name.
  virtual std::string_view header(std::string_view name) const = 0;
  // "192.0.2.1", after trusted proxies were looked through.
  virtual std::string_view client_ip() const = 0;

 protected:
  ~KeyReader() = default;
};

enum class KeySource : uint8_t { none, cookie, header, client_ip, lua };
std::string_view key_source_name(KeySource source);  // "cookie"

struct StickyKey {
  KeySource source = KeySource::none;
  std::string_view name;   // of the cookie or header
  std::string_view value;  // never empty unless source is none
};

// The first of `keys` that is present. An empty value is not present: all clients with an empty cookie would
// be one.
StickyKey find_sticky_key(std::span<const config::ClientKey> keys, const KeyReader& reader);

// The value of the first cookie of that name in one Cookie field (RFC 6265 section 5.4 read back): pairs
// separated by
// ';', blanks around them dropped, names compared exactly, nothing decoded, quotes kept. Empty if there is
// none.
std::string_view find_cookie(std::string_view field, std::string_view name);

}  // namespace banyan::rollout
