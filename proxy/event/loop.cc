#include "event/loop.h"

#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>

#include "base/check.h"
#include "base/log.h"

namespace banyan::event {
namespace {

// What libevent has to say goes to our log, not to a standard error that a daemon does not have.
void log_of_libevent(int severity, const char* text) {
  if (severity >= EVENT_LOG_WARN) LOG(warn, "libevent: {}", text);
}

event_base* make_base() {
  event_set_log_callback(&log_of_libevent);
  event_config* config = event_config_new();
  CHECK(config != nullptr);
  // One thread owns the loop; other threads wake it through an eventfd (ThreadPool), so no locks are needed.
  event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
  event_config_set_flag(config, EVENT_BASE_FLAG_IGNORE_ENV);
  event_config_require_features(config, EV_FEATURE_ET);
  event_base* base = event_base_new_with_config(config);
  event_config_free(config);
  CHECK(base != nullptr);
  return base;
}

}  // namespace

Loop::Loop()
    : base_(make_base()),
      wakeup_fd_(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)),
      timers_(MonotonicClock::now()),
      queue_(*this, {}),
      later_(*this, {}) {
  queue_.previous_ = queue_.next_ = &queue_;
  later_.previous_ = later_.next_ = &later_;
  CHECK(wakeup_fd_ >= 0);
  CHECK(event_assign(&wakeup_, base_, wakeup_fd_, EV_READ | EV_PERSIST | EV_ET, &Loop::on_wakeup, this) == 0);
  CHECK(event_add(&wakeup_, nullptr) == 0);
}

Loop::~Loop() {
  bury();
  event_del(&wakeup_);
  close(wakeup_fd_);
  event_base_free(base_);
  queue_.previous_ = queue_.next_ = nullptr;
  later_.previous_ = later_.next_ = nullptr;
}

void Loop::run() {
  stopped_ = false;
  while (!stopped_) turn();
}

void Loop::turn() {
  take_later();
  bool due = queue_.next_ != &queue_;
  if (!due) arm_wakeup();
  now_known_ = false;
  events_ = 0;
  event_base_loop(base_, due ? EVLOOP_NONBLOCK : EVLOOP_ONCE);
  if (events_ == 0) begin_turn();
  timers_.advance(now());
  run_deferred();
  bury();
  turn_ended_ = fresh_now();
  longest_turn_ = std::max(longest_turn_, turn_ended_ - turn_began_);
}

TimePoint Loop::now() const {
  if (!now_known_) {
    now_ = MonotonicClock::now();
    now_known_ = true;
  }
  return now_;
}

TimePoint Loop::fresh_now() const {
  now_known_ = false;
  return now();
}

// Keeps a timer of the kernel at (or before) the wheel's next deadline. It is moved only when that comes
// nearer, so a timer that is started and stopped for every request costs no work here. libevent's own timers
// are up to 4 ms late: they go by the clock of the kernel's tick.
void Loop::arm_wakeup() {
  const TimePoint next = timers_.next_deadline();
  if (next == TimePoint::max() || next >= wakeup_at_) return;
  const auto nanos = std::chrono::nanoseconds(next.time_since_epoch()).count();
  itimerspec when{};
  when.it_value = {nanos / 1'000'000'000, nanos % 1'000'000'000};
  CHECK(timerfd_settime(wakeup_fd_, TFD_TIMER_ABSTIME, &when, nullptr) == 0);
  wakeup_at_ = next;
}

// Not read: each time it fires is a new edge.
void Loop::on_wakeup(evutil_socket_t, short, void* self) {
  static_cast<Loop*>(self)->wakeup_at_ = TimePoint::max();
}

// Notices scheduled by notices run in the same turn. The bound keeps a transfer between two fast peers, whose
// reads and writes wake each other, from starving everybody else; what is left runs in the next turn, which
// then does not wait.
void Loop::run_deferred() {
  constexpr int kMostPerTurn = 512;
  for (int i = 0; i < kMostPerTurn && queue_.next_ != &queue_; ++i) {
    Deferred* notice = queue_.next_;
    notice->unlink();
    notice->run_();
  }
}

void Loop::begin_turn() {
  constexpr std::chrono::microseconds kLook{100};  // longer: it has waited
  const TimePoint before = std::exchange(turn_began_, now());
  events_since_ = turn_began_ - turn_ended_ > kLook ? turn_began_ : before;
}

void Loop::begin_event() {
  if (events_++ == 0) begin_turn();
}

// Nothing is on the stack here but the loop.
void Loop::end_event() {
  constexpr uint32_t kEvery = 8;
  if (events_ % kEvery != 0 || timers_.next_deadline() > fresh_now()) return;
  timers_.advance(now());
  run_deferred();
}

void Loop::take_later() {
  if (later_.next_ == &later_) return;
  later_.next_->previous_ = queue_.previous_;
  queue_.previous_->next_ = later_.next_;
  later_.previous_->next_ = &queue_;
  queue_.previous_ = later_.previous_;
  later_.previous_ = later_.next_ = &later_;
}

void Loop::bury() {
  while (dead_) {
    Disposable* object = dead_;
    dead_ = object->next_dead_;
    delete object;  // a destructor may dispose of further objects
  }
}

void Loop::dispose(std::unique_ptr<Disposable> object) {
  if (!object) return;
  object->next_dead_ = dead_;
  dead_ = object.release();
}

Duration Loop::take_longest_turn() { return std::exchange(longest_turn_, Duration::zero()); }

void Deferred::schedule() {
  if (!scheduled()) link(loop_->queue_);
}

void Deferred::schedule_next_turn() {
  if (!scheduled()) link(loop_->later_);
}

void Deferred::link(Deferred& queue) {
  previous_ = queue.previous_;
  next_ = &queue;
  previous_->next_ = this;
  queue.previous_ = this;
}

void Deferred::cancel() {
  if (scheduled()) unlink();
}

void Deferred::unlink() {
  previous_->next_ = next_;
  next_->previous_ = previous_;
  previous_ = next_ = nullptr;
}

}  // namespace banyan::event
