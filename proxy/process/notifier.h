// Tells systemd how the service is doing: sd_notify(3)'s protocol, one datagram of "KEY=value" lines to the
// socket that $NOTIFY_SOCKET names. Without the variable nothing is sent.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"

namespace banyan::process {

class Notifier {
 public:
  // `socket` is the value of $NOTIFY_SOCKET: a path, or '@' and an abstract name; empty for nobody.
  explicit Notifier(std::string socket = {}) : socket_(std::move(socket)) {}
  // Takes the variables out of the environment, so that nothing started later speaks for the service.
  static Notifier from_environment();

  bool active() const { return !socket_.empty(); }
  // The variables that a new program is to find again, "NAME=value".
  std::vector<std::string> environment() const;
  // How often WATCHDOG=1 is to be sent (half of $WATCHDOG_USEC); nullopt: nobody waits for it.
  std::optional<Duration> watchdog_interval() const { return watchdog_; }

  // READY=1, with MAINPID: after an upgrade the service is another process than before.
  void ready(std::string_view status);
  // RELOADING=1 with the time stamp that Type=notify-reload asks for; ready() ends it.
  void reloading();
  // MAINPID: the service is that process from now on. systemd believes only the one it knows
  // (NotifyAccess=main).
  void handed_to(pid_t pid, std::string_view status);
  void stopping(std::string_view status);
  void alive();

 private:
  void send(std::string_view text) const;

  std::string socket_;
  std::optional<Duration> watchdog_;
};

}  // namespace banyan::process
