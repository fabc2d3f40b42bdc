#include "http/h1_field_line.h"

#include <cstring>

#include "http/chars.h"

namespace banyan::http {

char* write_field_text(char* out, std::string_view text) {
  if (text.empty()) return out;
  std::memcpy(out, text.data(), text.size());
  if (chars::is_plain_value(text)) return out + text.size();
  const char* end = out + text.size();
  for (const char* bad = chars::find_value_end(out, end); bad != end; bad = chars::find_value_end(bad, end)) {
    out[bad - out] = ' ';
  }
  return out + text.size();
}

char* write_field_line(char* out, const Field& field) {
  const bool token = field.checked || field.id != FieldId::other || chars::is_token(field.name);
  if (!token) return out;
  std::memcpy(out, field.name.data(), field.name.size());
  out += field.name.size();
  *out++ = ':';
  *out++ = ' ';
  if (field.checked && !field.value.empty()) {
    std::memcpy(out, field.value.data(), field.value.size());
    out += field.value.size();
  } else {
    out = write_field_text(out, field.value);
  }
  *out++ = '\r';
  *out++ = '\n';
  return out;
}

void append_field_line(std::string& out, std::string_view name, std::string_view value) {
  size_t size = out.size();
  out.resize(size + field_line_bound(name, value));
  const Field field{name, value, FieldId::other};
  out.resize(static_cast<size_t>(write_field_line(out.data() + size, field) - out.data()));
}

}  // namespace banyan::http
