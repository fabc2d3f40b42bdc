// How processes wake each other: one eventfd for each worker, made by the master before it forks, so that
// every process can ring every worker, and a worker's successor hears the same bell.
//
//   publisher: what is new is in shared memory ─▶ ring(workers) ─▶ their loops call their listeners, who look
//
// A worker that was rung and has not looked yet is not rung again: one flag for each worker in shared memory
// (shm::Layout), which it clears before it looks. So a dead worker is rung once at most, and many events in a
// row cost one system call for each worker. Ringing nobody costs nothing.
//
// A process that is killed between its news and the system call has rung nobody, and perhaps leaves a flag
// that keeps others from ringing. So every new process rings all workers, whatever the flags say.
#pragma once

#include <optional>
#include <vector>

#include "base/callback.h"
#include "base/result.h"
#include "event/deferred.h"
#include "event/io.h"
#include "shm/segment.h"
#include "shm/worker_set.h"

namespace banyan::handler {

class Bells {
 public:
  class Listener;

  // `fds`: the eventfds by worker, owned by the process and open as long as this lives; non-blocking. `slot`:
  // this process's in the segment; the controller has no bell of its own, but rings those of others. Rings
  // everybody once.
  Bells(event::Loop& loop, shm::Segment& segment, std::vector<int> fds, uint32_t slot);
  Bells(const Bells&) = delete;
  Bells& operator=(const Bells&) = delete;

  // Rings them. This worker's own listeners are called at the end of this turn of the loop, without a system
  // call, never inside this call. Workers that do not exist are left out.
  void ring(const shm::WorkerSet& workers);

  // How often ring() made the system call; for tests.
  uint64_t system_calls() const { return system_calls_; }

 private:
  void ring_everybody() const;
  void on_bell();
  void call_listeners();

  shm::Segment& segment_;
  std::vector<int> fds_;
  uint32_t own_;  // or kWorkers
  std::vector<Listener*> listeners_;
  event::Deferred own_ring_;
  std::optional<event::IoWatch> watch_;
  uint64_t system_calls_ = 0;
};

// Calls `run` from the loop whenever this worker is rung, by whichever process and handler: it has to look
// whether there is something new for it. It may be called without a reason, and may make and destroy
// listeners.
class Bells::Listener {
 public:
  // `bells` outlives this.
  Listener(Bells& bells, Callback run);
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

 private:
  friend class Bells;
  Bells& bells_;
  Callback run_;
};

// One eventfd for each worker, close-on-exec. Error: no descriptors left; then none stays open.
Result<std::vector<int>> make_bells(uint32_t workers);

}  // namespace banyan::handler
