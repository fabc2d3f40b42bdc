// What a worker lends to its handlers, and handlers made from a piece of configuration.
//
//   FakeWorker worker;
//   auto made = worker.make("type = \"echo\"");
//   ASSERT_TRUE(made.handler) << made.problem;
#pragma once

#include <fmt/format.h>
#include <unistd.h>

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/buffer.h"
#include "base/check.h"
#include "config/config.h"
#include "event/loop.h"
#include "event/thread_pool.h"
#include "handler/bells.h"
#include "handler/type.h"
#include "net/fetch.h"
#include "net/resolver.h"
#include "shm/counters.h"
#include "shm/directory.h"
#include "shm/regions.h"
#include "shm/segment.h"

namespace banyan::testing {

// A handler and the configuration that it looks into.
struct MadeHandler {
  std::unique_ptr<config::Config> config;
  std::unique_ptr<handler::Handler> handler;
  std::string problem;  // diagnostics, or what make() said; empty when all is well
};

class FakeWorker {
 public:
  BufferPools buffers;  // what the loop buries gives its blocks back
  event::Loop loop;
  event::ThreadPool pool{loop, 2};
  net::Fetcher fetcher{loop};
  net::Resolver resolver{loop, pool, {}};
  shm::Segment segment{*shm::Segment::create()};
  shm::Directory directory{segment};
  shm::Counters counters{segment, shm::worker_slot(0)};
  std::vector<int> bell_fds{*handler::make_bells(2)};  // workers 0, which this is, and 1
  handler::Bells bells{loop, segment, bell_fds, shm::worker_slot(0)};
  handler::Services services{
      loop, pool, buffers, fetcher, resolver, segment, directory, counters, shm::worker_slot(0), bells};

  ~FakeWorker() {
    for (int fd : bell_fds) close(fd);
  }

  // A handler of one of `types` from the keys of [handler.test].
  MadeHandler make(std::span<const handler::HandlerType> types, std::string_view keys) {
    MadeHandler made;
    config::LoadOptions options;
    for (const handler::HandlerType& type : types) options.handler_types.push_back(&type.options);
    config::Loaded loaded = config::parse(sources(keys), options);
    made.problem = config::to_text(loaded.diagnostics);
    if (!loaded.ok()) return made;
    made.config = std::make_unique<config::Config>(std::move(loaded.config));
    const config::HandlerEntry& entry = made.config->handlers.front();
    for (const handler::HandlerType& type : types) {
      if (type.name != entry.type) continue;
      const uint32_t number = *directory.add(shm::Kind::handler, entry.name);
      if (const uint64_t bytes = type.shared_bytes ? type.shared_bytes(entry) : 0; bytes > 0) {
        const Result<bool> is_new = shm::reserve_region(segment, shm::Kind::handler, number, bytes);
        CHECK(is_new.ok());
        if (*is_new && type.format_shared) {
          const Result<shm::Region> region = shm::map_region(segment, shm::Kind::handler, number);
          CHECK(region.ok() && type.format_shared(entry, region->bytes()).ok());
        }
      }
      Result<std::unique_ptr<handler::Handler>> result = type.make(entry, services);
      if (result.ok())
        made.handler = *std::move(result);
      else
        made.problem = result.error().message;
    }
    return made;
  }

 private:
  static config::Sources sources(std::string_view keys) {
    config::Sources sources;
    sources.main = "/test/banyan.toml";
    sources.directory = "/test";
    sources.files[sources.main].content = fmt::format(
        "[[listener]]\naddress = \"127.0.0.1:0\"\n[[route]]\npath = \"/*\"\ntarget = \"handler.test\"\n"
        "[handler.test]\n{}\n",
        keys);
    return sources;
  }
};

}  // namespace banyan::testing
