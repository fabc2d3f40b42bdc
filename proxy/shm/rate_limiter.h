// Rate limits over all workers: GCRA (ITU-T I.371, the "leaky bucket as a meter"), one atomic word for each
// client.
//
//   word = tag (20 bits) │ theoretical arrival time (44 bits, quarters of a microsecond)
//
// Words stand in sets of eight, found by hash. Two clients are taken for one only if they share set and tag
// (36 bits: with 100,000 clients, 2 in a million for each). In a full set the client who owes least is
// forgotten: the limit gets softer under a flood of addresses, never harder on others. Two workers that meet
// a new client in the same instant may make two words of it, which forgives one request once.
#pragma once

#include "base/clock.h"
#include "shm/segment.h"

namespace banyan::shm {

class RateLimiter {
 public:
  // `count` requests in each `period`, evenly, and `burst` more at once. Long-term rates above four million a
  // second are not limited. The burst is cut to what 20 days refill.
  struct Rate {
    uint32_t count = 1;
    Duration period = std::chrono::seconds(1);
    uint32_t burst = 0;
  };

  struct Verdict {
    bool allowed = true;
    Duration retry_after{};  // when refused: how long until one request would pass
  };

  // The segment must outlive this.
  explicit RateLimiter(Segment& segment) : sets_(segment.layout().rates) {}

  // Whether one more request of this client may pass; takes it into account if so. `hash` stands for the
  // limit and the client together (stable_hash). `now` is the monotonic clock, the same in all processes. Any
  // process, any thread.
  Verdict allow(uint64_t hash, const Rate& rate, TimePoint now);

 private:
  std::array<RateSet, kRateSets>& sets_;
};

}  // namespace banyan::shm
