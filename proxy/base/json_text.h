// JSON text (RFC 8259), written straight into a string in one pass over the bytes. For reading see
// base/json.h.
#pragma once

#include <string>
#include <string_view>

namespace banyan {

// Appends the text as a JSON string with its quotes (RFC 8259 section 7). REQUIRES: is_utf8(text).
void append_json_string(std::string& json, std::string_view text);

}  // namespace banyan
