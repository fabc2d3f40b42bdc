// The old master's part of an upgrade: starts the program that lies at its path by now, and waits until that
// serves or has failed. See handover.h.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "event/deferred.h"
#include "event/io.h"
#include "event/timer.h"
#include "process/handover.h"

namespace banyan::process {

// Where a master leaves why it refused the last upgrade, for `banyan -s upgrade`.
std::string upgrade_refused_path(const config::Config& config);

class Upgrade {
 public:
  // Longer than the 30 seconds that preparing a configuration may take.
  static constexpr Duration kLimit = std::chrono::seconds(60);

  class Observer {
   public:
    // The new master's workers serve. From the loop.
    virtual void on_upgrade_ready(pid_t pid) = 0;
    // It is dead, or could not be started.
    virtual void on_upgrade_failed(const std::string& why) = 0;

   protected:
    ~Observer() = default;
  };

  // All outlive it.
  Upgrade(event::Loop& loop, const Inheritance& inheritance, Program program, Observer& observer);

  // The outcome comes to the observer, not inside the call. `environment`: variables ("NAME=value") beside
  // those of this process. REQUIRES: none is running.
  void start(std::vector<std::string> environment);
  bool running() const { return pid_ > 0; }
  // Ends the new program; its death is told as a failure.
  void cancel();
  // From SIGCHLD. True if it was ours.
  bool on_death(pid_t pid, int status);

 private:
  void on_line();
  void on_limit();
  void on_failure_notice();
  Result<void> launch(const std::vector<std::string>& environment);
  [[noreturn]] void become_it(char* const* arguments, char* const* environment, const std::vector<int>& kept,
                              int line) const;

  event::Loop& loop_;
  const Inheritance& inheritance_;
  Program program_;
  Observer& observer_;
  pid_t pid_ = 0;
  Fd line_;
  std::optional<event::IoWatch> watch_;
  event::Timer limit_;
  event::Deferred failure_notice_;
  std::string failure_;  // why we ended it
  std::string said_;     // what it said of why it does not start
};

}  // namespace banyan::process
