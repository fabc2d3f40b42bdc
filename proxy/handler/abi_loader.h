// Opens shared objects and checks that they speak our version of handler/abi.h.
#pragma once

#include <string>

#include "base/result.h"
#include "handler/abi.h"

namespace banyan::handler {

// The table of the shared object at `path` (absolute). Errors begin with the path and say what to do: no such
// file, an unresolved symbol, not a Banyan handler, another version, a table that is too small, a function
// that is missing. Nothing of the object but its constructors runs. It stays loaded until the process ends:
// many runtimes do not survive being unloaded.
Result<const banyan_handler_table*> load_handler_table(const std::string& path);

}  // namespace banyan::handler
