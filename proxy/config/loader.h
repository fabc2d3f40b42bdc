// TOML text to a Node tree. The only door to the TOML library, which takes seconds to compile.
#pragma once

#include <string>
#include <string_view>

#include "config/node.h"
#include "config/reader.h"

namespace banyan::config {

// Parses a whole file, added to the reader as `file`, into a table. Reports and returns false if it is not
// UTF-8, nested too deeply or not TOML (the first fault of that kind only), and reports each "${NAME}" that
// is not set. `first_line` is the number of the text's first line.
bool parse_document(std::string_view text, uint32_t file, Reader& reader, Node& root, int first_line = 1);

}  // namespace banyan::config
