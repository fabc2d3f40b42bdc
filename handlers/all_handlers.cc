#include "handlers/all_handlers.h"

#include <array>

namespace banyan::handlers {

std::span<const handler::HandlerType> all_handlers() {
  static const std::array types = {
      batch_fetch_type(), echo_type(), event_dispatch_type(), shared_object_type(), static_reply_type(),
  };
  return types;
}

}  // namespace banyan::handlers
