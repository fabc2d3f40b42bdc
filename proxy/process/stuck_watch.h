// Finds children that do not turn their loop any more, by the beat that each counts up once a second.
//
//   beat        7  8  9  9  9  9  9  9  9  9     looks, twice a second
//   since then              0.5 s …      4 s, and most of it spent computing: stuck, killed, replaced
//
// Who computes for so long serves nobody and will hardly come back. Who gets no processor (an overloaded
// machine), waits for a disk or is held by a debugger has used hardly any time; such a child is given much
// longer, and who builds its first configuration too. Looks are counted, not time: a machine that was
// suspended misses beats and looks alike.
#pragma once

#include <map>
#include <string>

#include "event/timer.h"
#include "process/children.h"
#include "shm/segment.h"

namespace banyan::process {

class StuckWatch {
 public:
  struct Limits {
    Millis look{500};
    int looks = 8;          // without a beat, for who computes
    Millis computed{2500};  // at least, of these
    int most_looks = 60;    // without a beat, for everybody
  };

  // All outlive it. `on_stuck` is told a child's place and why, from the loop.
  class Observer {
   public:
    virtual void on_stuck(uint32_t place, const std::string& why) = 0;

   protected:
    ~Observer() = default;
  };
  StuckWatch(event::Loop& loop, const shm::Segment& segment, const Children& children, Observer& observer,
             const Limits& limits);

  void start() { timer_.start(limits_.look); }

 private:
  struct Seen {
    uint32_t pid = 0;
    uint64_t beat = 0;
    int looks = 0;              // with that beat
    Duration processor_time{};  // used when that beat was seen first
  };

  void on_timer();
  void look_at(uint32_t place);

  event::Timer timer_;
  const shm::Segment& segment_;
  const Children& children_;
  Observer& observer_;
  Limits limits_;
  std::map<uint32_t, Seen> seen_;
};

}  // namespace banyan::process
