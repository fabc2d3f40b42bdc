// Base64 with the usual alphabet (RFC 4648 section 4) and with that for URLs (section 5).
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace banyan {

// Appends the bytes in base64 with padding, without quotes.
void append_base64(std::string& text, std::string_view bytes);

// The bytes; null if the text is not base64. Its padding may be missing, but must be whole if it is there,
// with nothing behind it.
std::optional<std::string> read_base64(std::string_view text);
// The same for base64url without padding, as in RFC 7515.
std::optional<std::string> read_base64url(std::string_view text);

}  // namespace banyan
