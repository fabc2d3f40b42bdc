// The fetch of one key, until it has an answer or nobody can want it any more: one GET, and further ones
// where that helps.
//
//   a kept connection was gone          again at once, on a new one
//   the bucket is elsewhere             again, signed for the region that the store named, or at the endpoint
//                                       it pointed to; once each
//   connection failed, 5xx, 429         again after a pause (random, doubled each time; at least the store's
//                                       Retry-After), if there is time
//   left slower than most (hedge)            a second GET beside the first; the first answer counts
//
// Batches that want the same key wait for the same flight.
#pragma once

#include <list>
#include <memory>
#include <string>
#include <vector>

#include "event/timer.h"
#include "handlers/batch_fetch/object_store.h"

namespace banyan::handlers {

class Batch;
class Flight;

// Who keeps the flights.
class FlightKeeper {
 public:
  // The flight is over. From the loop; may destroy the flight.
  virtual void on_landed(Flight& flight, Object object) = 0;
  // Whether somebody still wants an answer that comes after such a pause.
  virtual bool may_retry(const Flight& flight, Duration pause) = 0;
  // An answer of the store, good or bad, and what it took.
  virtual void note_answer(const Object& object, Duration taken) = 0;
  virtual Duration random_pause(uint32_t retries) = 0;

 protected:
  ~FlightKeeper() = default;
};

class Flight final : StoreGet::Listener {
 public:
  struct Waiter {
    Batch* batch;
    size_t index;  // in its keys
  };

  // All must outlive it. `etag`: ask only whether it changed.
  Flight(event::Loop& loop, ObjectStore& store, FlightKeeper& keeper, uint32_t retries, std::string key,
         std::string etag);

  void begin();
  // A second GET beside the first.
  void hedge();
  bool hedged() const { return second_ != nullptr; }

  const std::string& key() const { return key_; }
  const std::string& etag() const { return etag_; }
  TimePoint began() const { return began_; }
  uint32_t retries() const { return retries_done_; }
  bool second_won() const { return second_won_; }

  // The keeper's own notes.
  std::vector<Waiter> waiters;
  Batch* payer = nullptr;  // whose share it takes; null: late
  TimePoint overdue{};     // when late
  bool stalled = false;
  std::list<std::unique_ptr<Flight>>::iterator place;

 private:
  void on_object(StoreGet& get, Object object) override;
  bool again_at_once(const Object& object);
  std::unique_ptr<StoreGet> ask(bool fresh);
  void on_pause();

  event::Loop& loop_;
  ObjectStore& store_;
  FlightKeeper& keeper_;
  const std::string key_;
  const std::string etag_;
  std::string endpoint_;
  std::unique_ptr<StoreGet> first_;
  std::unique_ptr<StoreGet> second_;
  event::Timer pause_;
  TimePoint began_{};
  const uint32_t retries_;
  uint32_t retries_done_ = 0;
  uint32_t stale_ = 0;  // kept connections that were gone
  bool relocated_ = false;
  bool redirected_ = false;
  bool second_won_ = false;
};

}  // namespace banyan::handlers
