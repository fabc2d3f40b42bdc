// Readiness of one descriptor and signals: thin, typed owners of libevent's events.
#pragma once

#include <event2/event.h>
#include <event2/event_struct.h>

#include "base/callback.h"

namespace banyan::event {

class Loop;

// Tells when a descriptor becomes readable or writable. Does not own the descriptor; must be destroyed before
// it is closed. Edge-triggered by default: after a notice the owner reads or writes until a short count or
// EAGAIN.
class IoWatch {
 public:
  enum class Interest : short { read = EV_READ, write = EV_WRITE };
  enum class Trigger : short { edge = EV_ET, level = 0 };

  IoWatch(Loop& loop, int fd, Interest interest, Callback run, Trigger trigger = Trigger::edge);
  ~IoWatch();
  IoWatch(const IoWatch&) = delete;
  IoWatch& operator=(const IoWatch&) = delete;

  // False when the kernel refused (out of memory or watches).
  [[nodiscard]] bool start();
  void stop();

  // Edge-triggered read watches: the peer has sent its FIN, as the kernel said with one of the notices so
  // far. Data and FIN that arrive together are one edge, so whoever stops at a short count would wait for
  // ever for the second: once this is true, read until the end.
  bool peer_finished() const { return peer_finished_; }

 private:
  static void on_ready(evutil_socket_t, short, void* self);
  Loop& loop_;
  struct event event_;
  Callback run_;
  bool peer_finished_ = false;
};

// Calls `run` from the loop when the process gets `number`.
class SignalWatch {
 public:
  SignalWatch(Loop& loop, int number, Callback run);
  ~SignalWatch();
  SignalWatch(const SignalWatch&) = delete;
  SignalWatch& operator=(const SignalWatch&) = delete;

 private:
  static void on_signal(evutil_socket_t, short, void* self);
  struct event event_;
  Callback run_;
};

}  // namespace banyan::event
