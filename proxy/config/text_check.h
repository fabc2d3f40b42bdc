// What must hold of a text before a recursive parser may see it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace banyan::config {

struct TextFault {
  size_t offset = 0;
  std::string message;
};

// The first place that is not UTF-8 or is a control character; else the first that is nested deeper than
// anything sensible (brackets, and dotted keys); else the first line of more than 64 KiB; nothing if the text
// is good.
std::optional<TextFault> find_text_fault(std::string_view text);

// Bytes of the UTF-8 character at the front of `text`; 0 if it is not one (RFC 3629).
size_t utf8_length(std::string_view text);

}  // namespace banyan::config
