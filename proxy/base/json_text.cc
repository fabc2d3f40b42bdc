#include "base/json_text.h"

#include <cstddef>

namespace banyan {
namespace {

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

}  // namespace banyan
