// Active health: asks each server of an upstream with `health` at intervals, by a GET or by connecting, and
// tells the workers through shared memory.
//
//   unknown ── first answer ─▶ healthy ── `fall` failures in a row ─▶ unhealthy
//                                 ▲────────── `rise` successes in a row ──────┘
//
// Runs in the controller alone, so a server is probed once and not once for each worker.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/random.h"
#include "config/schema.h"
#include "event/loop.h"
#include "net/fetch.h"
#include "net/resolver.h"
#include "shm/counters.h"
#include "shm/directory.h"
#include "shm/segment.h"

namespace banyan::control {

class HealthProbes {
 public:
  // All outlive the probes.
  struct Surroundings {
    event::Loop& loop;
    net::Fetcher& fetcher;
    net::Resolver& resolver;
    shm::Segment& segment;
    shm::Directory& directory;
    shm::Counters& counters;
  };

  explicit HealthProbes(const Surroundings& here);
  ~HealthProbes();

  // Probes the servers of this configuration from now on. What was learned of servers that stay, with the
  // same settings, is kept; servers without `health` count as healthy.
  void switch_to(const std::vector<config::Upstream>& upstreams);

 private:
  class Probe;

  Surroundings here_;
  Random random_;
  std::vector<std::unique_ptr<Probe>> probes_;
};

}  // namespace banyan::control
