// Accepts connections on a listening socket that all workers share (the master opened it,
// net/listen_socket.h).
//
// The socket is watched level-triggered and a turn of the loop accepts only a few connections, so that
// workers that are busy leave the rest to those that are not, and a flood of connections cannot starve those
// already served. All idle workers wake up for a connection and all but one find nothing, which is cheap;
// EPOLLEXCLUSIVE, which libevent does not offer, would save that, but always wakes the worker that went to
// sleep last.
#pragma once

#include <sys/socket.h>

#include <string>

#include "base/clock.h"
#include "event/io.h"
#include "event/timer.h"
#include "net/ip_address.h"

namespace banyan::net {

class Listener {
 public:
  class Acceptor {
   public:
    // A new connection: `fd` is non-blocking and close-on-exec, with TCP_NODELAY if TCP, and belongs to the
    // acceptor. Comes from the loop. May call pause(), but must not destroy the listener.
    virtual void on_accept(int fd, const IpAddress& peer) = 0;

   protected:
    ~Acceptor() = default;
  };

  struct Limits {
    // nginx takes one ("multi_accept off"); a few, as long as there are some, cost less and share nearly as
    // well.
    int accepts_per_turn = 4;
    Millis rest = Millis(100);  // how long to wait for descriptors when there are none
  };

  // Starts paused. `fd` stays the caller's and must outlive the listener; `name` is for the log.
  Listener(event::Loop& loop, int fd, std::string name, Acceptor& acceptor, Limits limits);
  Listener(event::Loop& loop, int fd, std::string name, Acceptor& acceptor);
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  // Begin, and go on after pause(). False when the kernel refuses the watch.
  [[nodiscard]] bool resume();
  // Accept no more for now (the worker has as many connections as it may); who waits stays in the kernel's
  // queue, where other workers find it. For good when a worker drains: then destroy the listener.
  void pause();
  bool accepting() const { return wanted_; }
  // Connections closed unserved because no descriptor was free.
  uint64_t refused() const { return refused_; }

 private:
  void on_ready();
  bool accept_one();
  void on_failure(int error_number);
  void refuse_waiting();
  void on_rested();
  void log_failure(int error_number);
  void open_reserve();

  event::Loop& loop_;
  int fd_;
  std::string name_;
  Acceptor& acceptor_;
  Limits limits_;
  event::IoWatch watch_;
  event::Timer rest_timer_;
  int burst_ = 1;  // accepts tried in the next turn
  bool wanted_ = false;
  TimePoint rested_at_{};
  int reserve_fd_ = -1;
  TimePoint logged_at_{};
  uint64_t refused_ = 0;
};

}  // namespace banyan::net
