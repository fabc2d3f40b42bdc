// banyan -v and -V.
#pragma once

#include <string>

namespace banyan::process {

// "0.1.0"
std::string version();
// The version, the compiler, the libraries in use and the handler types: several lines.
std::string build_details();

}  // namespace banyan::process
