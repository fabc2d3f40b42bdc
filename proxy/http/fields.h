// Header and trailer fields (RFC 9110 section 5): an ordered list of name and value with quick look-up of the
// names a proxy has to know.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string_view>
#include <vector>

#include "base/arena.h"

namespace banyan::http {

// The names the proxy itself looks at. X(identifier, canonical spelling)
#define BANYAN_KNOWN_FIELDS(X)                  \
  X(accept, "Accept")                           \
  X(accept_encoding, "Accept-Encoding")         \
  X(authorization, "Authorization")             \
  X(connection, "Connection")                   \
  X(content_encoding, "Content-Encoding")       \
  X(content_length, "Content-Length")           \
  X(content_type, "Content-Type")               \
  X(cookie, "Cookie")                           \
  X(date, "Date")                               \
  X(expect, "Expect")                           \
  X(forwarded, "Forwarded")                     \
  X(host, "Host")                               \
  X(http2_settings, "HTTP2-Settings")           \
  X(idempotency_key, "Idempotency-Key")         \
  X(keep_alive, "Keep-Alive")                   \
  X(location, "Location")                       \
  X(origin, "Origin")                           \
  X(proxy_authenticate, "Proxy-Authenticate")   \
  X(proxy_authorization, "Proxy-Authorization") \
  X(proxy_connection, "Proxy-Connection")       \
  X(proxy_status, "Proxy-Status")               \
  X(referer, "Referer")                         \
  X(retry_after, "Retry-After")                 \
  X(server, "Server")                           \
  X(set_cookie, "Set-Cookie")                   \
  X(te, "TE")                                   \
  X(traceparent, "traceparent")                 \
  X(tracestate, "tracestate")                   \
  X(trailer, "Trailer")                         \
  X(transfer_encoding, "Transfer-Encoding")     \
  X(upgrade, "Upgrade")                         \
  X(user_agent, "User-Agent")                   \
  X(via, "Via")                                 \
  X(x_accel_buffering, "X-Accel-Buffering")     \
  X(x_client_subject, "X-Client-Subject")       \
  X(x_forwarded_for, "X-Forwarded-For")         \
  X(x_forwarded_host, "X-Forwarded-Host")       \
  X(x_forwarded_port, "X-Forwarded-Port")       \
  X(x_forwarded_proto, "X-Forwarded-Proto")     \
  X(x_real_ip, "X-Real-IP")                     \
  X(x_request_id, "X-Request-ID")

enum class FieldId : uint8_t {
  other,
#define BANYAN_FIELD_ENUMERATOR(identifier, name) identifier,
  BANYAN_KNOWN_FIELDS(BANYAN_FIELD_ENUMERATOR)
#undef BANYAN_FIELD_ENUMERATOR
};

// The id of a name in any case; FieldId::other for names not listed.
FieldId find_field_id(std::string_view name);
// "Content-Length" for FieldId::content_length. REQUIRES: id is not `other`.
std::string_view field_name(FieldId id);

// Some of the known names; never FieldId::other.
class FieldSet {
 public:
  constexpr FieldSet() = default;
  constexpr FieldSet(std::initializer_list<FieldId> ids) {
    for (FieldId id : ids) add(id);
  }
  constexpr void add(FieldId id) { bits_ |= uint64_t{1} << static_cast<unsigned>(id); }
  constexpr void add(FieldSet set) { bits_ |= set.bits_; }
  constexpr bool contains(FieldId id) const { return bits_ >> static_cast<unsigned>(id) & 1; }

 private:
  uint64_t bits_ = 0;
};

// ASCII case-insensitive comparison, as field names and many tokens want it.
bool equal_ignoring_case(std::string_view a, std::string_view b);

// One field. The views belong to whatever the list's owner says: the read buffer of a parsed head, the list's
// own arena, or static storage.
struct Field {
  std::string_view name;   // as received
  std::string_view value;  // without surrounding blanks
  FieldId id = FieldId::other;
  bool checked = false;  // a parser has seen: the name is a token, the value has no control characters
};

class Fields {
 public:
  // Appends without copying: name and value must outlive the list.
  void add(FieldId id, std::string_view value) { list_.push_back({field_name(id), value, id}); }
  void add(std::string_view name, std::string_view value) {
    list_.push_back({name, value, find_field_id(name)});
  }
  void add(const Field& field) { list_.push_back(field); }
  // Appends a copy kept by this list.
  void add_copy(FieldId id, std::string_view value) { add(id, arena_.copy(value)); }
  void add_copy(std::string_view name, std::string_view value) { add(arena_.copy(name), arena_.copy(value)); }

  // Removes all fields of that name. Both return how many there were.
  size_t remove(FieldId id);
  size_t remove(std::string_view name);

  // The first field of that name, or null. Valid until the list changes.
  const Field* find(FieldId id) const;
  const Field* find(std::string_view name) const;
  // Its value, or an empty view.
  std::string_view get(FieldId id) const;

  const std::vector<Field>& list() const { return list_; }
  std::vector<Field>& list() { return list_; }
  bool empty() const { return list_.empty(); }
  size_t size() const { return list_.size(); }
  auto begin() const { return list_.begin(); }
  auto end() const { return list_.end(); }

  // Memory for texts that must live as long as the list.
  Arena& arena() { return arena_; }
  // Empties the list and its arena, keeping memory for reuse.
  void clear() {
    list_.clear();
    arena_.reset();
  }

 private:
  std::vector<Field> list_;
  Arena arena_;
};

// Calls `visit(token)` for each element of a comma-separated list value (RFC 9110 section 5.6.1), blanks
// trimmed, empty elements left out, quoted strings kept whole.
template <class Visit>
void each_list_element(std::string_view value, Visit visit) {
  size_t begin = 0;
  bool quoted = false;
  for (size_t i = 0; i <= value.size(); ++i) {
    if (i < value.size()) {
      if (quoted && value[i] == '\\' && i + 1 < value.size()) {
        ++i;
        continue;
      }
      if (value[i] == '"') quoted = !quoted;
      if (quoted || value[i] != ',') continue;
    }
    std::string_view element = value.substr(begin, i - begin);
    while (!element.empty() && (element.front() == ' ' || element.front() == '\t')) element.remove_prefix(1);
    while (!element.empty() && (element.back() == ' ' || element.back() == '\t')) element.remove_suffix(1);
    if (!element.empty()) visit(element);
    begin = i + 1;
  }
}

}  // namespace banyan::http
