#include "http/h1_framing.h"

#include <algorithm>
#include <array>
#include <limits>

#include "http/chars.h"
#include "http/fields.h"

namespace banyan::http {
namespace {

constexpr uint64_t kMostLength = std::numeric_limits<int64_t>::max();

// The comma that ends the first element of a list, outside of quoted strings; or the end.
size_t find_comma(std::string_view text) {
  bool quoted = false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '"') quoted = !quoted;
    if (quoted && text[i] == '\\') ++i;
    if (!quoted && i < text.size() && text[i] == ',') return i;
  }
  return text.size();
}

bool begins_with(std::string_view text, std::string_view prefix) {
  return text.size() > prefix.size() && equal_ignoring_case(text.substr(0, prefix.size()), prefix);
}

// What the next hop relies on: framing, addressing, identity, tracing.
bool is_protected(std::string_view name) {
  switch (find_field_id(name)) {
    case FieldId::authorization:
    case FieldId::content_encoding:
    case FieldId::content_length:
    case FieldId::content_type:
    case FieldId::cookie:
    case FieldId::date:
    case FieldId::expect:
    case FieldId::forwarded:
    case FieldId::host:
    case FieldId::idempotency_key:
    case FieldId::origin:
    case FieldId::traceparent:
    case FieldId::tracestate:
    case FieldId::transfer_encoding:
    case FieldId::via:
    case FieldId::x_client_subject:
    case FieldId::x_forwarded_for:
    case FieldId::x_forwarded_host:
    case FieldId::x_forwarded_port:
    case FieldId::x_forwarded_proto:
    case FieldId::x_real_ip:
    case FieldId::x_request_id:
      return true;
    case FieldId::other:
      return begins_with(name, "x-forwarded-") || begins_with(name, "x-banyan-") ||
             begins_with(name, "content-");
    default:
      return false;
  }
}

}  // namespace

std::optional<uint64_t> parse_content_length(std::string_view value) {
  if (value.empty()) return std::nullopt;
  uint64_t length = 0;
  for (char c : value) {
    if (!chars::is(c, chars::kDigit)) return std::nullopt;
    uint64_t digit = static_cast<uint64_t>(c - '0');
    if (length > (kMostLength - digit) / 10) return std::nullopt;
    length = length * 10 + digit;
  }
  return length;
}

void TransferCodings::add(std::string_view value) {
  while (true) {
    size_t comma = find_comma(value);
    add_coding(chars::trim(value.substr(0, comma)));
    if (comma == value.size()) return;
    value.remove_prefix(comma + 1);
  }
}

void TransferCodings::add_coding(std::string_view coding) {
  const char* begin = coding.data();
  const char* name_end = chars::find_not(chars::kToken, begin, begin + coding.size());
  std::string_view name = coding.substr(0, static_cast<size_t>(name_end - begin));
  std::string_view parameters = chars::trim(coding.substr(name.size()));
  if (name.empty() || chunked_last_ || (!parameters.empty() && parameters.front() != ';')) faulty_ = true;
  if (equal_ignoring_case(name, "chunked")) {
    if (!parameters.empty()) faulty_ = true;
    chunked_last_ = true;
  } else {
    others_ = true;
  }
}

TransferCodings::Verdict TransferCodings::verdict() const {
  if (faulty_ || !chunked_last_) return Verdict::faulty;
  return others_ ? Verdict::unknown : Verdict::chunked;
}

bool ConnectionOptions::add_known(std::string_view option) {
  if (equal_ignoring_case(option, "keep-alive")) return keep_alive = true;
  if (equal_ignoring_case(option, "close")) return close = true;
  if (equal_ignoring_case(option, "upgrade")) return upgrade = true;
  return false;
}

void ConnectionOptions::add(std::string_view value) {
  if (add_known(value)) return;  // mostly it is one word
  each_list_element(value, [&](std::string_view option) {
    malformed |= ++count_ > kMost;
    if (add_known(option)) return;
    if (!chars::is_token(option)) {
      malformed = true;
    } else if (is_protected(option)) {
      protected_name = option;
    }
  });
}

}  // namespace banyan::http
