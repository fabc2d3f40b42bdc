// The master's children: controller and workers, each in its place for life.
//
//   empty ── spawn ─▶ starting ── READY ─▶ ready ── drain ─▶ draining ── exits ─▶ empty
//                          └──────── dies ───┴─▶ empty, and spawned again at once, or after a back-off
//
// Places are slots of the shared segment: 1 the controller, 2 + i worker i.
#pragma once

#include <sys/types.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "event/loop.h"
#include "process/backoff.h"
#include "process/channel.h"
#include "shm/segment.h"
#include "shm/tally.h"

namespace banyan::process {

// "controller", "worker 0"
std::string place_name(uint32_t place);

class Children {
 public:
  enum class State { starting, ready, draining };

  class Observer {
   public:
    // All come from the loop. A message of any type a child may send.
    virtual void on_child_message(uint32_t place, Message message) = 0;
    // It is dead and its place is empty; the next one has not been started yet. `killed`: by somebody else's
    // SIGKILL, not by a fault of its own.
    virtual void on_child_death(uint32_t place, State last_state, bool killed) = 0;
    // A child died that is none of these. For Observers that start others.
    virtual void on_other_death(pid_t, int /*status*/) {}
    // In the new process, which shares the memory of the master as it was. The result is its exit code.
    virtual int live(uint32_t place, Fd channel) = 0;

   protected:
    ~Observer() = default;
  };

  // All must outlive this.
  Children(event::Loop& loop, shm::Segment& segment, Observer& observer);
  ~Children();
  Children(const Children&) = delete;
  Children& operator=(const Children&) = delete;

  // The place is to have a living child: starts one now, and a new one whenever it dies. No-op when it has
  // one.
  void keep_alive(uint32_t place);
  // The place may stay empty when its child is gone.
  void let_go(uint32_t place);
  // No child is started any more, whatever dies.
  void let_all_go();
  // Ends every pause before a new start, because what killed the children may be mended now.
  void start_waiting();
  // While held, a start that is due waits.
  void hold_starts(bool hold) { held_ = hold; }

  void send(uint32_t place, Message message);
  void set_state(uint32_t place, State state);
  void kill(uint32_t place, int signal);
  // After SIGCHLD: takes note of the dead.
  void reap();

  // Places with a child, controller first.
  std::vector<uint32_t> living() const;
  std::vector<uint32_t> living_workers() const;
  bool alive(uint32_t place) const;
  // REQUIRES: alive(place).
  State state(uint32_t place) const;

 private:
  struct Child final : event::Disposable, Channel::Listener {
    Child(Children& owner_children, uint32_t its_place, pid_t its_pid, Fd channel_fd);
    void on_message(Message message) override;
    void on_channel_closed() override;
    void on_grace_over();

    Children& owner;
    uint32_t place;
    pid_t pid;
    State state = State::starting;
    Channel channel;
    event::Timer grace;  // from its channel's end to its own
  };
  struct Place {
    Place(Children& owner_children, uint32_t its_number);
    void on_timer();

    Children& owner;
    uint32_t number;
    bool wanted = false;
    uint32_t births = 0;
    Backoff backoff;
    event::Timer timer;
    std::unique_ptr<Child> child;
  };

  void spawn(Place& place);
  void spawn_unless_held(Place& place);
  void adopt(Place& place, pid_t pid, Fd channel);
  [[noreturn]] void begin_life(uint32_t place, Fd channel);
  void bury(Place& place, int status);
  void replace(Place& place, const std::string& what);
  void retry_later(Place& place);
  Place* find(uint32_t place) const;

  event::Loop& loop_;
  shm::Segment& segment_;
  shm::Retirement retirement_;
  Observer& observer_;
  std::map<uint32_t, std::unique_ptr<Place>> places_;
  bool held_ = false;
};

}  // namespace banyan::process
