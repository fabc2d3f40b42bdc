// One event loop per process: sockets and signals (libevent), timers, deferred notices, the graveyard.
//
// A turn of the loop:   wait → socket, signal and timer events → deferred notices (a bounded number) →
// graveyard
//
// Thousands of sockets can be ready at once. So that timers fire in time all the same, they are looked at
// between every few of them, too; when some fired, the notices follow at once.
#pragma once

#include <event2/event.h>
#include <event2/event_struct.h>

#include <memory>

#include "base/clock.h"
#include "event/deferred.h"
#include "event/timer.h"

namespace banyan::event {

class Loop final : public Clock {
 public:
  // Aborts the process when the kernel refuses an epoll descriptor: without a loop nothing can be done.
  Loop();
  ~Loop() override;
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // Runs turns until stop().
  void run();
  // One turn; waits for an event unless something is due. For tests and for run().
  void turn();
  // run() returns after the current turn.
  void stop() { stopped_ = true; }
  bool stopped() const { return stopped_; }

  // Monotonic time, read once per turn. All timers and deadlines use it.
  TimePoint now() const override;
  WallTime wall() const override { return std::chrono::system_clock::now(); }
  // Reads the time anew, for the rare place where a turn's own length matters.
  TimePoint fresh_now() const;

  // The earliest moment at which an event of this turn can have come: when the loop looked for events before,
  // or just now if it has waited since.
  TimePoint events_since() const { return events_since_; }

  // Destroys `object` at the end of this turn. Its own pending notices go with it.
  void dispose(std::unique_ptr<Disposable> object);

  // The longest turn since the last call: how long an event may have had to wait.
  Duration take_longest_turn();

  TimerWheel& timers() { return timers_; }
  event_base* base() { return base_; }

 private:
  friend class Deferred;
  friend class IoWatch;
  void arm_wakeup();
  void run_deferred();
  void take_later();
  void begin_turn();
  void begin_event();
  void end_event();
  void bury();
  static void on_wakeup(evutil_socket_t, short, void* self);

  event_base* base_;
  int wakeup_fd_;  // CLOCK_MONOTONIC, as TimePoint
  struct event wakeup_;
  TimePoint wakeup_at_ = TimePoint::max();
  TimerWheel timers_;
  Deferred queue_;  // sentinel of a circular list
  Deferred later_;  // the same, of what waits for the next turn
  Disposable* dead_ = nullptr;
  mutable TimePoint now_{};
  mutable bool now_known_ = false;
  Duration longest_turn_{};
  TimePoint turn_began_ = MonotonicClock::now();  // when the wait was over
  TimePoint turn_ended_ = turn_began_;
  TimePoint events_since_ = turn_began_;
  uint32_t events_ = 0;  // of sockets, in this turn
  bool stopped_ = false;
};

}  // namespace banyan::event
