// Who may fetch next: a bounded number of fetches at the same time, shared fairly between the batches of all
// clients.
//
//   ring         batches with keys left; each in its turn starts one fetch, if it holds less than twice what
//   is free wanted       fetches under way whose batch waits late         fetches whose batch was answered
//   without them; they may end, because a fetch that is cut off costs its
//                connection, and many new connections are what a slow store can stand least
//
// The rule "twice what is free" (dynamic thresholds, Choudhury and Hahne 1998) leaves room for a newcomer
// without setting anything aside: one batch alone takes two thirds of the slots, ten greedy ones leave a
// twentieth free. And each batch may have kAlways whatever the others hold, up to twice the slots in all. So
// batches whose keys all stall do not hold up one that asks for a few.
#pragma once

#include <cstddef>
#include <list>
#include <memory>
#include <string>
#include <vector>

#include "event/loop.h"
#include "event/timer.h"
#include "handlers/object_store.h"

namespace banyan::handlers {

class Delegator {
 public:
  // A request's keys. To be taken out by remove() before it is destroyed.
  class Batch {
   public:
    // What came for keys[index]; from the loop, never inside add(). remove() may be called in it.
    virtual void on_object(size_t index, Object object) = 0;

    std::vector<std::string> keys;

   protected:
    ~Batch() = default;

   private:
    friend class Delegator;
    size_t next_ = 0;  // the first key not begun
    size_t held_ = 0;  // fetches under way
    bool waits_ = false;
    std::list<Batch*>::iterator place_;  // in the ring, while waits_
  };

  // How long a fetch may go on after its batch was answered.
  static constexpr Millis kLate{1000};

  // What a batch may have under way even when all slots are taken.
  static constexpr size_t kAlways = 4;

  // At most `slots` fetches at the same time, a quarter of them late. The others must outlive the delegator.
  Delegator(event::Loop& loop, ObjectStore& store, size_t slots);
  ~Delegator();
  Delegator(const Delegator&) = delete;
  Delegator& operator=(const Delegator&) = delete;

  // Fetches the batch's keys in their order.
  void add(Batch& batch);
  // The batch wants no more. Keys not begun are forgotten, fetches under way become late.
  void remove(Batch& batch);

  size_t under_way() const { return wanted_.size() + late_.size(); }
  size_t late() const { return late_.size(); }

 private:
  class Transfer;
  using Transfers = std::list<std::unique_ptr<Transfer>>;

  void give_out();
  void start(Batch& batch);
  void leave_ring(Batch& batch);
  void on_fetched(Transfer& transfer, Object object);
  void drop_overdue();
  void schedule_overdue();

  // Starting many fetches in one turn of the loop would hold up its timers.
  static constexpr size_t kStartsPerTurn = 32;

  event::Loop& loop_;
  ObjectStore& store_;
  const size_t slots_;
  std::list<Batch*> ring_;
  Transfers wanted_;
  Transfers late_;  // oldest first
  event::Timer more_;
  event::Timer overdue_;
};

}  // namespace banyan::handlers
