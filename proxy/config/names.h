// Which characters names may have, and which names are taken.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>

namespace banyan::config {

inline bool is_alphanumeric(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// With ASCII letters small, in any locale.
inline std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return result;
}

// A key that TOML takes without quotes.
inline bool is_bare_key(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(),
                                      [](char c) { return is_alphanumeric(c) || c == '_' || c == '-'; });
}

// token of RFC 9110 section 5.6.2: names of header fields, cookies, methods.
inline bool is_token(std::string_view text) {
  constexpr std::string_view kOthers = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
    return is_alphanumeric(c) || kOthers.find(c) != std::string_view::npos;
  });
}

// Names of upstreams, handlers and rollouts: they stand in URLs, metrics and file names.
inline bool is_name(std::string_view text) {
  return is_bare_key(text) && text.size() <= 64 && is_alphanumeric(text[0]);
}

// Fields that frame a message or belong to one connection (RFC 9110 section 7.6.1): nothing in a
// configuration may touch them.
inline bool is_framing_field(std::string_view name) {
  constexpr std::string_view kNames[] = {
      "connection", "content-length", "keep-alive",        "proxy-connection",
      "te",         "trailer",        "transfer-encoding", "upgrade"};
  return std::find(std::begin(kNames), std::end(kNames), lower(name)) != std::end(kNames);
}

// A field value that cannot break out of its line (RFC 9110 section 5.5).
inline bool is_field_value(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return c == '\t' || (static_cast<unsigned char>(c) >= 0x20 && c != 0x7f);
  });
}

}  // namespace banyan::config
