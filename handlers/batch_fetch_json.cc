#include "handlers/batch_fetch_json.h"

#include <cstdint>
#include <cstring>

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
    uint64_t eight;
    if (bytes.size() >= sizeof eight) {
      std::memcpy(&eight, bytes.data(), sizeof eight);
      if ((eight & 0x8080808080808080u) == 0) {  // mostly ASCII: eight at a time
        bytes.remove_prefix(sizeof eight);
        continue;
      }
    }
    if (static_cast<uint8_t>(bytes[0]) < 0x80) {
      bytes.remove_prefix(1);
      continue;
    }
    const size_t length = sequence_length(bytes);
    if (length == 0) return false;
    bytes.remove_prefix(length);
  }
  return true;
}

void append_json_string(std::string& json, std::string_view text) {
  json.push_back('"');
  size_t begin = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (!needs_escape(c)) continue;
    json.append(text.substr(begin, i - begin));
    append_escape(json, c);
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

}  // namespace banyan::handlers
