// Server-Timing (W3C): route, side and why, fallback, and where the time went, for clients that the
// configuration trusts. Others learn nothing about how the house is divided.
#pragma once

#include <string>

#include "base/clock.h"
#include "config/schema.h"
#include "exchange/identity.h"
#include "handler/handler.h"
#include "route/decide.h"

namespace banyan::exchange {

// Whether the client itself (not only the proxy before it) is in trusted_proxies, or may force a side of the
// decision's rollout. What a trusted proxy passes on for a stranger is a stranger's.
bool may_see_timing(const Identity& identity, const config::Config& config, const route::Decision& decision);

// route;desc="api", side;desc="native", reason;desc="cookie", fallback;desc="timeout", connect;dur=0.4,
// ttfb;dur=12.1, total;dur=12.9. Durations in milliseconds: of opening the connection to the server, until
// its answer's head, and since the request came. Parts that do not apply are left out. REQUIRES: a route.
std::string server_timing(const route::Decision& decision, const handler::Notes& notes,
                          std::string_view fallback, Duration total);

}  // namespace banyan::exchange
