// The long-lived answers of a process that stops, because of a shutdown or because a new program has taken
// over: each is told to end (see long_lived.h), one after the other, so that not all clients come back at the
// same moment.
//
//   begin(time)                            1/2 of time      3/4                 9/10
//   ├── ┼ WebSockets, event streams ─────────────────────────┤ or sooner: ten a second are slow enough
//   └── those that cannot be told ───────────┼───────────────────────────────────┤
#pragma once

#include <cstddef>
#include <vector>

#include "event/timer.h"

namespace banyan::exchange {

class Farewells {
 public:
  // One long-lived answer.
  class Member {
   public:
    // Its turn has come. Called once, from the loop; the member has left already.
    virtual void on_farewell() = 0;

   protected:
    ~Member() = default;

   private:
    friend class Farewells;
    std::vector<Member*>* home_ = nullptr;  // null: no member
    size_t place_ = 0;
  };

  // The loop must outlive this.
  explicit Farewells(event::Loop& loop);
  Farewells(const Farewells&) = delete;
  Farewells& operator=(const Farewells&) = delete;

  // `told`: its protocol has words for it, so that the client comes back at once and nothing is lost. Who has
  // none gets as much time as there is.
  void add(Member& member, bool told);
  // No-op for those that are no members.
  void remove(Member& member);
  // All that are there have left within `time`, and who comes later has soon. Once.
  void begin(Duration time);

 private:
  struct Line {
    std::vector<Member*> members;
    TimePoint next{};   // turn
    TimePoint until{};  // the turns of all
  };

  void on_timer();
  void wait();
  void call_some(Line& line, TimePoint now);

  event::Loop& loop_;
  event::Timer timer_;
  Line told_;
  Line untold_;
  bool begun_ = false;
};

}  // namespace banyan::exchange
