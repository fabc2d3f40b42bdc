// What a handler type brings: its name, its options' table, and how to make one.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string_view>

#include "base/buffer.h"
#include "base/result.h"
#include "handler/handler.h"

namespace banyan::config {
class AnySection;
struct HandlerEntry;
}  // namespace banyan::config

namespace banyan::event {
class Loop;
class ThreadPool;
}  // namespace banyan::event

namespace banyan::net {
class Fetcher;
class Resolver;
}  // namespace banyan::net

namespace banyan::shm {
class Counters;
class Directory;
class Segment;
}  // namespace banyan::shm

namespace banyan::handler {

class Bells;

// What the worker lends to its handlers; outlives them.
struct Services {
  event::Loop& loop;
  event::ThreadPool& pool;
  BufferPools& buffers;
  net::Fetcher& fetcher;  // libcurl on this loop
  net::Resolver& resolver;
  shm::Segment& segment;  // what all workers share
  shm::Directory& directory;
  shm::Counters& counters;  // this worker's
  uint32_t slot;            // this worker's, in the segment
  Bells& bells;             // wakes other workers
};

// One row of handlers/all_handlers.cc.
struct HandlerType {
  std::string_view name;     // the `type` key: "static_reply"
  std::string_view summary;  // one sentence for the manual
  const config::AnySection& options;
  // Called for each [handler.NAME] when a configuration is prepared (also under `banyan -t`): must not start
  // anything that is visible outside before the first open(). `entry` lives as long as the handler.
  Result<std::unique_ptr<Handler>> (*make)(const config::HandlerEntry& entry, Services& services);
  // How many bytes of shared memory the handlers of that entry want: a region of shm/regions.h under the
  // handler's name, there before make(). Null or 0: none.
  uint64_t (*shared_bytes)(const config::HandlerEntry& entry) = nullptr;
  // Makes of zero bytes what that region begins as. Called by the master, once for each region that is new,
  // before any process uses it. Null: zero is fine.
  Result<void> (*format_shared)(const config::HandlerEntry& entry, std::span<std::byte> region) = nullptr;
};

}  // namespace banyan::handler
