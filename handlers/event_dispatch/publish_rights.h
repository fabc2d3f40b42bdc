// Who may publish: whoever knows the handler's publish_token, or has a token whose claim "publish" allows the
// channel (RFC 6750). Found out once for a request, however many events it brings.
#pragma once

#include <optional>
#include <string_view>

#include "handlers/event_dispatch/options.h"
#include "handlers/event_dispatch/publisher.h"
#include "handlers/event_dispatch/rights.h"
#include "http/head.h"

namespace banyan::handlers {

struct PublishGrant {
  PublishAnswer answer;           // 202; or 401, 403: nothing at all, and what WWW-Authenticate is to say
  std::optional<Grant> by_token;  // to the channels that it allows; null: to all

  // 202, or 400 for a name that will not do, 403. REQUIRES: answer.ok().
  PublishAnswer judge(std::string_view channel) const;
};

PublishGrant grant_publishing(const http::RequestHead& request, const EventDispatchOptions& options,
                              const Rights& rights, WallTime now);

}  // namespace banyan::handlers
