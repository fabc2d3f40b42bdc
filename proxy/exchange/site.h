// One configuration as exchanges see it. An exchange holds the one it began with until its end, so a reload
// changes nothing for requests under way.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "config/schema.h"
#include "http/inbound.h"
#include "lua/script.h"
#include "route/router.h"

namespace banyan::exchange {

struct Site {
  const config::Config* config = nullptr;  // of the same generation
  const route::Router* router = nullptr;
  const route::TargetBook* targets = nullptr;
  lua::Script* script = nullptr;  // may be null
  uint32_t script_number = 0;     // in the directory
  http::InboundSettings inbound;
};

}  // namespace banyan::exchange
