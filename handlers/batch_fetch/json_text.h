// JSON text for the answers of batch_fetch: written straight into a string, one pass over the bytes.
#pragma once

#include <string>
#include <string_view>

namespace banyan::handlers {

// True for well-formed UTF-8 (RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF).
bool is_utf8(std::string_view bytes);

// Appends the text as a JSON string with its quotes (RFC 8259 section 7). REQUIRES: is_utf8(text).
void append_json_string(std::string& json, std::string_view text);

// Appends the bytes in base64 with padding (RFC 4648 section 4), without quotes.
void append_base64(std::string& text, std::string_view bytes);

// The bytes of what append_base64() made; empty if it is anything else.
std::string read_base64(std::string_view text);

}  // namespace banyan::handlers
