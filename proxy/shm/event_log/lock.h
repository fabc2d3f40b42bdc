// The lock of an event log: a mutex that processes share and that does not stay behind when its owner is
// killed (pthread_mutexattr_setrobust(3)).
#pragma once

#include <pthread.h>

#include "base/clock.h"
#include "base/result.h"

namespace banyan::shm {

// Makes the mutex in shared memory, unlocked. Once, before anybody uses it.
Result<void> format_lock(pthread_mutex_t& mutex);

class RobustLock {
 public:
  // `mutex` was made by format_lock() and outlives this.
  explicit RobustLock(pthread_mutex_t& mutex) : mutex_(mutex) {}

  enum class Taken : uint8_t {
    yes,
    from_dead,  // the owner was killed: mend what it left, then call mended()
    no,         // its owner has not run for a second
  };
  // After a `no`, further calls do not wait at all, until one of them gets it. REQUIRES: not held by this
  // thread.
  Taken take();
  // A process that is killed before this leaves the next one with from_dead, too.
  void mended();
  void release();

 private:
  Taken judge(int error);

  pthread_mutex_t& mutex_;
  bool hopeless_ = false;
};

}  // namespace banyan::shm
