// What generations are built upon in one process: loop, threads, buffers, fetcher, resolver.
#pragma once

#include "base/buffer.h"
#include "event/loop.h"
#include "event/thread_pool.h"
#include "handler/bells.h"
#include "net/fetch.h"
#include "net/resolver.h"
#include "process/generation.h"

namespace banyan::process {

class Workplace {
 public:
  // The references outlive it. `slot` is this process's; `bells` the workers' eventfds, as handler::Bells
  // wants them.
  Workplace(shm::Segment& segment, uint32_t slot, std::vector<int> bells = {})
      : segment_(segment),
        slot_(slot),
        directory_(segment),
        counters_(segment, slot),
        ticket_keys_(shm::ticket_keys(segment)),
        bells_(loop_, segment, std::move(bells), slot) {}

  event::Loop& loop() { return loop_; }
  event::ThreadPool& pool() { return pool_; }
  BufferPools& buffers() { return buffers_; }
  net::Fetcher& fetcher() { return fetcher_; }
  net::Resolver& resolver() { return resolver_; }
  shm::Segment& segment() { return segment_; }
  shm::Directory& directory() { return directory_; }
  shm::Counters& counters() { return counters_; }
  Generation::Surroundings surroundings() {
    return {services_,
            {loop_, buffers_, resolver_, segment_, directory_, counters_, slot_},
            counters_,
            ticket_keys_};
  }

 private:
  // For CPU-bound handlers and blocking calls; its threads start with the first job.
  static constexpr size_t kPoolThreads = 4;

  shm::Segment& segment_;
  uint32_t slot_;
  shm::Directory directory_;
  shm::Counters counters_;
  net::TlsTicketKeys ticket_keys_;
  BufferPools buffers_;  // what the loop buries gives its blocks back
  event::Loop loop_;
  handler::Bells bells_;
  event::ThreadPool pool_{loop_, kPoolThreads};
  net::Fetcher fetcher_{loop_};
  net::Resolver resolver_{loop_, pool_, {}};
  handler::Services services_{loop_,    pool_,      buffers_,  fetcher_, resolver_,
                              segment_, directory_, counters_, slot_,    bells_};
};

}  // namespace banyan::process
