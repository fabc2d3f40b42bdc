// One field as it stands in a head or a trailer: "Name: value" CR LF. Whatever the texts are, what is written
// is one field line: no value can end it and begin another (response splitting).
#pragma once

#include <string>
#include <string_view>

#include "http/fields.h"

namespace banyan::http {

// The most that write_field_line writes.
constexpr size_t field_line_bound(std::string_view name, std::string_view value) {
  return name.size() + value.size() + 4;
}

// Writes the line to `out` and returns its end. Control characters in the value become spaces; a field whose
// name is no token is left out.
char* write_field_line(char* out, const Field& field);
// Copies `text`, control characters but tab as spaces; returns the end.
char* write_field_text(char* out, std::string_view text);

void append_field_line(std::string& out, std::string_view name, std::string_view value);

}  // namespace banyan::http
