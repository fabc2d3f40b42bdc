// One line of a batch of events, see publish_session.h.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "shm/event_log.h"

namespace banyan::handlers {

struct BatchLine {
  std::string channel;
  shm::EventKind kind = shm::EventKind::text;
  std::string data;
  std::string key;  // empty: none
};

// Error 400: not an object, members of other types, no channel, no data. The channel's name is not looked at.
Result<BatchLine> parse_batch_line(std::string_view line);

}  // namespace banyan::handlers
