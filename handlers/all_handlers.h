// The handler types that are built in. A new type is a file handlers/<type>.cc, a function here, and a row in
// all_handlers.cc.
#pragma once

#include <span>

#include "handler/type.h"

namespace banyan::handlers {

// All types, by name.
std::span<const handler::HandlerType> all_handlers();

// Their rows, each in the file of its type.
handler::HandlerType batch_fetch_type();
handler::HandlerType echo_type();
handler::HandlerType event_dispatch_type();
handler::HandlerType shared_object_type();
handler::HandlerType static_reply_type();

}  // namespace banyan::handlers
