// Work for the end of this turn of the loop: the way a notice goes upward without calling back inside a call.
#pragma once

#include "base/callback.h"

namespace banyan::event {

class Loop;

// One pending notice. Scheduling it twice runs it once; destroying it takes it out of the queue.
class Deferred {
 public:
  // `loop` must outlive this; `run` is called by the loop, never inside schedule().
  Deferred(Loop& loop, Callback run) : loop_(&loop), run_(run) {}
  ~Deferred() { cancel(); }
  Deferred(const Deferred&) = delete;
  Deferred& operator=(const Deferred&) = delete;

  // Queues the notice behind those already queued. No-op when it is queued.
  void schedule();
  // The same for the next turn, which looks at sockets and timers before: for work that is done in slices.
  void schedule_next_turn();
  void cancel();
  bool scheduled() const { return previous_ != nullptr; }

 private:
  friend class Loop;
  void unlink();
  void link(Deferred& queue);

  Loop* loop_;
  Callback run_;
  Deferred* previous_ = nullptr;
  Deferred* next_ = nullptr;
};

// Base of objects that die in the loop's graveyard (Loop::dispose) instead of inside a call that may still
// use them.
class Disposable {
 public:
  virtual ~Disposable() = default;

 private:
  friend class Loop;
  Disposable* next_dead_ = nullptr;
};

}  // namespace banyan::event
