// Makes a Handler of a BlockingHandler, on the worker's thread pool.
#pragma once

#include <cstddef>
#include <memory>

#include "handler/blocking.h"
#include "handler/handler.h"
#include "handler/type.h"

namespace banyan::handler {

struct OffloadOptions {
  // Longest request body; beyond it the answer is 413.
  size_t max_body = 1024 * 1024;
  // Calls handed to the pool and not finished; one more gets 503 with Retry-After.
  size_t max_pending = 64;
};

// The body is collected on the loop, serve() runs on the pool, its response is sent from the loop. When a
// call ends before its turn came (client gone, deadline), serve() is not called for it; once begun it runs to
// its end and its response is dropped. `services` must outlive the handler.
std::unique_ptr<Handler> offload(std::unique_ptr<BlockingHandler> blocking, Services& services,
                                 const OffloadOptions& options = {});

}  // namespace banyan::handler
