// Who may fetch next: a bounded number of fetches at the same time, shared fairly between the batches of all
// clients.
//
//   add() ─▶ scans_    batches whose keys are looked for in the cache, a few keys each in turn
//        └─▶ queue_    batches with keys to fetch, in the order of rounds: who has begun fewest comes first,
//                      among equals the one with the earliest deadline (start-time fair queueing, Goyal, Vin
//                      and Cheng 1996, with EDF among ties)
//             └─▶ wanted_   flights somebody waits for; equal keys share one
//                  └─▶ late_    flights whose batches were answered without them: a quarter of the slots at
//                               most, for a second; they fill the cache and keep their connections
//
// How much a batch may hold: less than twice what is free (dynamic thresholds, Choudhury and Hahne 1998), so
// that one batch alone takes two thirds of the slots and ten greedy ones leave a twentieth; and kAlways
// whatever the others hold. And no more than what it has room for, as far as the size of the last objects
// tells; what comes nevertheless and finds no room is fetched again later. The throttle bounds the flights
// that are not yet slow; those that are have no part in the store's load.
//
// Everything is done in slices of a turn of the loop, so that timers fire.
#pragma once

#include <cstddef>
#include <list>
#include <memory>
#include <set>
#include <string_view>
#include <unordered_map>

#include "base/random.h"
#include "event/deferred.h"
#include "event/loop.h"
#include "event/timer.h"
#include "handlers/batch_fetch/batch.h"
#include "handlers/batch_fetch/flight.h"
#include "handlers/batch_fetch/latencies.h"
#include "handlers/batch_fetch/meters.h"
#include "handlers/batch_fetch/object_cache.h"
#include "handlers/batch_fetch/throttle.h"

namespace banyan::handlers {

class Delegator final : FlightKeeper {
 public:
  struct Settings {
    size_t slots = 256;
    bool coalesce = true;
    uint32_t retries = 1;
    Millis pause{25};  // before the first retry
    bool hedge = false;
    double hedge_budget = 0.05;  // of the fetches
  };

  // How long a fetch may go on after its batch was answered.
  static constexpr Millis kLate{1000};
  // What a batch may have under way even when all slots are taken.
  static constexpr size_t kAlways = 4;

  // All must outlive the delegator; the cache may be null.
  Delegator(event::Loop& loop, ObjectStore& store, ObjectCache* cache, BatchMeters& meters,
            const Settings& settings);
  ~Delegator();
  Delegator(const Delegator&) = delete;
  Delegator& operator=(const Delegator&) = delete;

  // Fetches the batch's keys in their order.
  void add(Batch& batch);
  // The batch wants no more. Keys not begun are forgotten, flights that nobody else waits for become late.
  void remove(Batch& batch);
  // Nothing is begun for the batch, which can take no more now, until resume(); what is under way still
  // comes. May be called in on_piece().
  void pause(Batch& batch);
  void resume(Batch& batch);
  // The store can be asked now.
  void wake() { work_.schedule(); }

  size_t under_way() const { return wanted_.size() + late_.size(); }
  size_t late() const { return late_.size(); }
  // How long the store has been asked for something and has answered nothing at all.
  Duration silence() const;

 private:
  using Flights = std::list<std::unique_ptr<Flight>>;
  struct Order {
    bool operator()(const Batch* a, const Batch* b) const;
  };

  void on_landed(Flight& flight, Object object) override;
  bool may_retry(const Flight& flight, Duration pause) override;
  void note_answer(const Object& object, Duration taken) override;
  Duration random_pause(uint32_t retries) override;

  void on_work();
  bool scan(TimePoint until);
  void scan_some(Batch& batch);
  bool serve_from_cache(Batch& batch, size_t index, bool again);
  bool start_some(TimePoint until);
  bool start_next(Batch& batch);
  void give_up(Batch& batch);
  bool too_late(const Batch& batch) const;
  void enqueue(Batch& batch);
  void dequeue(Batch& batch);
  void requeue(Batch& batch);
  void join(Flight& flight, Batch& batch, size_t index);
  Flight* find_flight(const std::string& key);
  Flight& launch(std::string key, std::string etag, Flights& where);
  void revalidate(const std::string& key, const std::string& etag);
  void leave(Flight& flight);
  void make_late(Flight& flight);
  void drop(Flights& where, Flights::iterator place);
  bool fits(const Batch& batch) const;
  void deliver(Flight& flight, const Object& object);
  size_t note_stalled();
  void on_hedge();
  void drop_overdue();
  void schedule_overdue();

  // A slice of work, and how much of it is done between two looks at the clock.
  static constexpr std::chrono::microseconds kSlice{400};
  static constexpr size_t kScan = 8;
  static constexpr size_t kStarts = 32;
  static constexpr size_t kSkips = 64;

  event::Loop& loop_;
  ObjectStore& store_;
  ObjectCache* cache_;
  BatchMeters& meters_;
  const Settings settings_;
  Random random_;
  std::list<Batch*> scans_;
  std::set<Batch*, Order> queue_;
  uint64_t serial_ = 0;
  std::unordered_map<std::string_view, Flight*> by_key_;
  Flights wanted_;           // in the order they began
  Flights::iterator young_;  // the first that is not stalled
  size_t stalled_ = 0;
  Flights late_;  // oldest first
  Latencies latencies_;
  Throttle throttle_;
  std::optional<Duration> median_, p90_, p95_;
  double size_ = 0;  // of an object, as far as the last ones tell
  uint32_t until_learnt_ = 0;
  TimePoint heard_at_{};  // the store's last answer
  double hedges_ = 0;     // that may be made now
  CachedObject found_;
  std::string members_;
  event::Deferred work_;
  event::Timer blocked_;  // looks again whether flights are stalled
  event::Timer hedging_;
  event::Timer overdue_;
};

}  // namespace banyan::handlers
