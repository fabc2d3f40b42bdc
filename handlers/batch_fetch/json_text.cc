#include "handlers/batch_fetch/json_text.h"

#include <algorithm>
#include <cstdint>

namespace banyan::handlers {
namespace {

// Length of the well-formed multi-byte sequence at the beginning, 0 if there is none (table 3-7 of the
// Unicode standard: the second byte's range depends on the first).
size_t sequence_length(std::string_view bytes) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(bytes[i]); };
  const auto follows = [&](size_t i, uint8_t low = 0x80, uint8_t high = 0xbf) {
    return i < bytes.size() && byte(i) >= low && byte(i) <= high;
  };
  const uint8_t first = byte(0);
  if (first >= 0xc2 && first <= 0xdf) return follows(1) ? 2 : 0;
  if (first >= 0xe0 && first <= 0xef) {
    const bool second = first == 0xe0   ? follows(1, 0xa0)
                        : first == 0xed ? follows(1, 0x80, 0x9f)
                                        : follows(1);
    return second && follows(2) ? 3 : 0;
  }
  if (first >= 0xf0 && first <= 0xf4) {
    const bool second = first == 0xf0   ? follows(1, 0x90)
                        : first == 0xf4 ? follows(1, 0x80, 0x8f)
                                        : follows(1);
    return second && follows(2) && follows(3) ? 4 : 0;
  }
  return 0;
}

bool needs_escape(unsigned char c) { return c < 0x20 || c == '"' || c == '\\'; }

constexpr size_t kRun = 64;

// Whether any of kRun bytes has to be escaped; compilers make vector instructions of it.
bool any_needs_escape(const char* bytes) {
  unsigned any = 0;
  for (size_t i = 0; i < kRun; ++i) {
    const auto c = static_cast<unsigned char>(bytes[i]);
    any |=
        static_cast<unsigned>(c < 0x20) | static_cast<unsigned>(c == '"') | static_cast<unsigned>(c == '\\');
  }
  return any != 0;
}

bool all_ascii(const char* bytes) {
  unsigned char all = 0;
  for (size_t i = 0; i < kRun; ++i) all = static_cast<unsigned char>(all | bytes[i]);
  return all < 0x80;
}

// The first byte from `at` on that has to be escaped.
size_t find_escape(std::string_view text, size_t at) {
  while (at + kRun <= text.size() && !any_needs_escape(text.data() + at)) at += kRun;
  while (at < text.size() && !needs_escape(static_cast<unsigned char>(text[at]))) ++at;
  return at;
}

void append_escape(std::string& json, unsigned char c) {
  constexpr char kDigits[] = "0123456789abcdef";
  switch (c) {
    case '"':
      json.append("\\\"");
      break;
    case '\\':
      json.append("\\\\");
      break;
    case '\b':
      json.append("\\b");
      break;
    case '\f':
      json.append("\\f");
      break;
    case '\n':
      json.append("\\n");
      break;
    case '\r':
      json.append("\\r");
      break;
    case '\t':
      json.append("\\t");
      break;
    default:
      json.append("\\u00").append({kDigits[c >> 4], kDigits[c & 15]});
  }
}

}  // namespace

bool is_utf8(std::string_view bytes) {
  while (!bytes.empty()) {
    if (bytes.size() >= kRun && all_ascii(bytes.data())) {
      bytes.remove_prefix(kRun);
      continue;
    }
    // Up to the end of the run, one by one; the last character may reach beyond it.
    const size_t stop = bytes.size() - std::min(bytes.size(), kRun);
    while (bytes.size() > stop) {
      const size_t length = static_cast<uint8_t>(bytes[0]) < 0x80 ? 1 : sequence_length(bytes);
      if (length == 0) return false;
      bytes.remove_prefix(length);
    }
  }
  return true;
}

void append_json_string(std::string& json, std::string_view text) {
  json.push_back('"');
  size_t begin = 0;
  for (size_t i = find_escape(text, 0); i < text.size(); i = find_escape(text, begin)) {
    json.append(text.substr(begin, i - begin));
    append_escape(json, static_cast<unsigned char>(text[i]));
    begin = i + 1;
  }
  json.append(text.substr(begin));
  json.push_back('"');
}

void append_base64(std::string& text, std::string_view bytes) {
  constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const auto byte = [&](size_t i) { return i < bytes.size() ? static_cast<uint8_t>(bytes[i]) : 0u; };
  text.reserve(text.size() + (bytes.size() + 2) / 3 * 4);
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const uint32_t group = byte(i) << 16 | byte(i + 1) << 8 | byte(i + 2);
    text.append({kDigits[group >> 18], kDigits[group >> 12 & 63],
                 i + 1 < bytes.size() ? kDigits[group >> 6 & 63] : '=',
                 i + 2 < bytes.size() ? kDigits[group & 63] : '='});
  }
}

std::string read_base64(std::string_view text) {
  const auto value = [](char c) {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
  };
  std::string bytes;
  uint32_t bits = 0;
  int count = 0;
  for (char c : text) {
    if (c == '=') break;
    const int six = value(c);
    if (six < 0) return {};
    bits = bits << 6 | static_cast<uint32_t>(six);
    if ((count += 6) < 8) continue;
    count -= 8;
    bytes.push_back(static_cast<char>(bits >> count & 0xff));
  }
  return bytes;
}

}  // namespace banyan::handlers
