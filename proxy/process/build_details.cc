#include "process/build_details.h"

#include <fmt/format.h>

#include "handlers/all_handlers.h"

namespace banyan::process {

std::string version() { return BANYAN_VERSION; }

std::string build_details() {
  std::string types;
  for (const handler::HandlerType& type : handlers::all_handlers()) types += fmt::format(" {}", type.name);
  return fmt::format("banyan {}\nbuilt with {} ({})\nlibraries: {}\nhandler types:{}\n", version(),
                     BANYAN_COMPILER, BANYAN_BUILD_TYPE, BANYAN_LIBRARIES, types);
}

}  // namespace banyan::process
