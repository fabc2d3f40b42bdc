// The syntax errors of the TOML library, made readable: where the fault is, in one line of words.
#pragma once

#include <string>
#include <string_view>

namespace banyan::config {

struct SyntaxFault {
  size_t line = 1;    // of the text, from 1
  size_t column = 0;  // in bytes, from 0
  std::string message;
};

// Reads a message of toml11 3.x about `text`, whose first line has the number `first_line` for its reader.
SyntaxFault read_syntax_error(const std::string& message, std::string_view text, int first_line);

}  // namespace banyan::config
