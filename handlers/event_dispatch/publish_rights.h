// Who may publish: whoever knows the handler's publish_token, or has a token whose claim "publish" allows the
// channel (RFC 6750).
#pragma once

#include <string_view>

#include "handlers/event_dispatch/options.h"
#include "handlers/event_dispatch/publisher.h"
#include "handlers/event_dispatch/rights.h"
#include "http/head.h"

namespace banyan::handlers {

// 202, or 400 for a name that will not do, 401, 403; with what WWW-Authenticate is to say.
PublishAnswer judge_publisher(const http::RequestHead& request, std::string_view channel,
                              const EventDispatchOptions& options, const Rights& rights, WallTime now);

}  // namespace banyan::handlers
