#include "event/io.h"

#include "base/check.h"
#include "event/loop.h"

namespace banyan::event {

IoWatch::IoWatch(Loop& loop, int fd, Interest interest, Callback run, Trigger trigger)
    : loop_(loop), run_(run) {
  short flags = static_cast<short>(EV_PERSIST | static_cast<short>(interest) | static_cast<short>(trigger));
  if (interest == Interest::read && trigger == Trigger::edge) flags |= EV_CLOSED;
  CHECK(event_assign(&event_, loop.base(), fd, flags, &IoWatch::on_ready, this) == 0);
}

IoWatch::~IoWatch() { stop(); }
bool IoWatch::start() { return event_add(&event_, nullptr) == 0; }
void IoWatch::stop() { event_del(&event_); }

void IoWatch::on_ready(evutil_socket_t, short what, void* self) {
  IoWatch* watch = static_cast<IoWatch*>(self);
  if (what & EV_CLOSED) watch->peer_finished_ = true;
  Loop& loop = watch->loop_;  // the watch may die in its notice
  loop.begin_event();
  watch->run_();
  loop.end_event();
}

SignalWatch::SignalWatch(Loop& loop, int number, Callback run) : run_(run) {
  CHECK(event_assign(&event_, loop.base(), number, EV_SIGNAL | EV_PERSIST, &SignalWatch::on_signal, this) ==
        0);
  CHECK(event_add(&event_, nullptr) == 0);
}

SignalWatch::~SignalWatch() { event_del(&event_); }
void SignalWatch::on_signal(evutil_socket_t, short, void* self) { static_cast<SignalWatch*>(self)->run_(); }

}  // namespace banyan::event
