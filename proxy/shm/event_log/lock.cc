#include "shm/event_log/lock.h"

#include <cerrno>
#include <ctime>

#include "base/check.h"

namespace banyan::shm {
namespace {

using namespace std::chrono_literals;

// Held for less than a microsecond as a rule: asking again is cheaper than a system call.
constexpr int kTries = 60;
constexpr Duration kPatience = 1s;

void pause_briefly() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

timespec to_timespec(TimePoint time) {
  const auto since = std::chrono::nanoseconds(time.time_since_epoch()).count();
  return {static_cast<time_t>(since / 1'000'000'000), static_cast<long>(since % 1'000'000'000)};
}

}  // namespace

Result<void> format_lock(pthread_mutex_t& mutex) {
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  int error = pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
  if (error == 0) error = pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
  if (error == 0) error = pthread_mutex_init(&mutex, &attributes);
  pthread_mutexattr_destroy(&attributes);
  if (error != 0) return system_error("make a lock in shared memory", error);
  return {};
}

RobustLock::Taken RobustLock::take() {
  for (int i = 0; i < kTries; ++i) {
    const int error = pthread_mutex_trylock(&mutex_);
    if (error != EBUSY) return judge(error);
    pause_briefly();
  }
  if (hopeless_) return Taken::no;
  const timespec end = to_timespec(MonotonicClock::now() + kPatience);
  const int error = pthread_mutex_clocklock(&mutex_, CLOCK_MONOTONIC, &end);
  if (error == ETIMEDOUT) {
    hopeless_ = true;
    return Taken::no;
  }
  return judge(error);
}

RobustLock::Taken RobustLock::judge(int error) {
  CHECK(error == 0 || error == EOWNERDEAD);
  hopeless_ = false;
  return error == 0 ? Taken::yes : Taken::from_dead;
}

void RobustLock::mended() { CHECK(pthread_mutex_consistent(&mutex_) == 0); }

void RobustLock::release() { CHECK(pthread_mutex_unlock(&mutex_) == 0); }

}  // namespace banyan::shm
