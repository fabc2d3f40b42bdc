#include "http/h1_field_line.h"

#include <cstring>

#include "http/chars.h"

namespace banyan::http {

char* write_field_text(char* out, std::string_view text) {
  if (text.empty()) return out;
  std::memcpy(out, text.data(), text.size());
  const char* end = out + text.size();
  for (const char* bad = chars::find_value_end(out, end); bad != end; bad = chars::find_value_end(bad, end)) {
    out[bad - out] = ' ';
  }
  return out + text.size();
}

char* write_field_line(char* out, std::string_view name, std::string_view value) {
  const char* name_end = name.data() + name.size();
  if (name.empty() || chars::find_token_end(name.data(), name_end).at != name_end) return out;
  std::memcpy(out, name.data(), name.size());
  out += name.size();
  *out++ = ':';
  *out++ = ' ';
  out = write_field_text(out, value);
  *out++ = '\r';
  *out++ = '\n';
  return out;
}

void append_field_line(std::string& out, std::string_view name, std::string_view value) {
  size_t size = out.size();
  out.resize(size + field_line_bound(name, value));
  out.resize(static_cast<size_t>(write_field_line(out.data() + size, name, value) - out.data()));
}

}  // namespace banyan::http
