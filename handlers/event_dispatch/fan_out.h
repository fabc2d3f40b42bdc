// Brings what is new in the log to the subscribers of this worker, in rounds:
//
//   read up to 128 events ─▶ by channel ─▶ each subscriber gets all of its channel at once ─▶ next round
//
// The more comes, the more goes out in one send. A round is done in slices of a millisecond, so that a
// channel with very many subscribers does not hold up everything else in this worker.
#pragma once

#include <vector>

#include "base/callback.h"
#include "event/deferred.h"
#include "event/loop.h"
#include "handlers/event_dispatch/channel_book.h"

namespace banyan::handlers {

class FanOut {
 public:
  class Owner {
   public:
    // A channel's events have been given to all its subscribers, of whom somebody was waiting for them. From
    // the loop.
    virtual void on_delivered(const ChannelRound& round) = 0;
    // A slice is over: what was put off goes out.
    virtual void on_slice_end() = 0;

   protected:
    ~Owner() = default;
  };

  // All outlive this. Begins behind the newest event.
  FanOut(event::Loop& loop, shm::EventLog& log, ChannelBook& book, Owner& owner);

  // There may be something new.
  void wake() { slice_.schedule(); }
  // Listeners were told all up to that position of the log.
  bool has_delivered(uint64_t position) const { return delivered_ >= position; }

 private:
  bool under_way() const { return !touched_.empty(); }  // a round is being delivered
  void run_slice();
  bool read_round();
  void note_missed();
  bool deliver(TimePoint until);

  event::Loop& loop_;
  shm::EventLog& log_;
  ChannelBook& book_;
  Owner& owner_;
  event::Deferred slice_;
  uint64_t cursor_;
  uint64_t delivered_;                // the cursor when the last round was over
  std::vector<HubChannel*> touched_;  // those with events in this round
  size_t place_ = 0;                  // which of them is being walked over
  bool walking_ = false;              // its walk has begun
};

}  // namespace banyan::handlers
