// The master: opens what needs privileges, starts the children, and does what signals say.
//
//   TERM INT   stop now               HUP    reload (reload.h)          WINCH   drain the workers, stay
//   QUIT       stop gracefully        USR1   open the logs again        CHLD    replace the dead
//   USR2       upgrade: another program takes the listening sockets and this one's place (upgrade.h)
//
// It runs no handler and no Lua, and reads nothing that clients send. When it is killed its children end at
// once (PR_SET_PDEATHSIG); when it ends in order it ends them first.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "event/loop.h"
#include "process/change_control.h"
#include "process/children.h"
#include "process/daemon.h"
#include "process/file_watch.h"
#include "process/hook_processes.h"
#include "process/inheritance.h"
#include "process/log_files.h"
#include "process/notifier.h"
#include "process/pid_file.h"
#include "process/predecessor.h"
#include "process/reload.h"
#include "process/stuck_watch.h"
#include "process/upgrade.h"
#include "shm/counters.h"

namespace banyan::process {

class Master final : Children::Observer, Reload::Observer, StuckWatch::Observer, Upgrade::Observer {
 public:
  // `inheritance` has a checked configuration (with its number), the segment and all that was opened.
  // `line_to_old`: to the master whose place this one takes, if there is one.
  Master(Inheritance inheritance, config::SourceRequest request, Notifier notifier, PidFile pid_file,
         std::optional<Daemon> daemon, Program program, Fd line_to_old, History history);
  ~Master();

  // Until the end; the exit code.
  int run();

 private:
  enum class Phase { starting, running, upgrading, draining, stopping };

  // Children::Observer
  void on_child_message(uint32_t place, Message message) override;
  void on_child_death(uint32_t place, Children::State last_state, bool killed) override;
  int live(uint32_t place, Fd channel) override;
  // Reload::Observer
  void on_reload_begun() override;
  void on_reload_done(Outcome& outcome, const Change& change) override;
  void on_other_death(pid_t pid, int status) override {
    if (!hooks_.on_death(pid)) upgrade_.on_death(pid, status);
  }
  // Upgrade::Observer
  void on_upgrade_ready(pid_t pid) override;
  void on_upgrade_failed(const std::string& why) override;
  // StuckWatch::Observer
  void on_stuck(uint32_t place, const std::string& why) override;

  void watch_signals();
  void on_signals();
  void on_stop();
  void on_quit();
  void on_reload(std::string who);
  void on_reopen();
  void on_upgrade();
  void begin_upgrade();
  void on_controller_late();
  void refuse_upgrade(const std::string& why);
  void take_place();
  void on_predecessor_gone();
  void on_drain_workers();

  void on_child_ready(uint32_t place, const Message& message);
  void start_workers();
  void finish_start();
  void fail_start(const std::string& reasons);
  void drain_workers(bool paced);
  void stop_children();
  void on_patience_over();
  void end_if_alone();
  Outcome reopen_logs();
  void want_workers();
  void on_change_asked(uint32_t place, const Message& message);
  void answer(uint32_t place, uint64_t request, const Outcome& outcome);
  void on_watchdog();
  void renew_ticket_key();
  void watch_certificates();
  void on_certificates_changed();
  std::string status() const;

  event::Loop loop_;
  Inheritance inheritance_;
  shm::Directory directory_;
  shm::Counters counters_;
  Notifier notifier_;
  PidFile pid_file_;
  std::optional<Daemon> daemon_;
  LogFiles logs_;
  Children children_;
  Reload reload_;
  ChangeControl changes_;
  Fd signals_;
  std::optional<event::IoWatch> signal_watch_;
  event::Timer patience_;
  event::Timer controller_patience_;
  event::Timer watchdog_;
  event::Timer ticket_key_age_;
  FileWatch certificates_;
  StuckWatch stuck_;
  HookProcesses hooks_;
  Upgrade upgrade_;
  Predecessor predecessor_;
  Phase phase_ = Phase::starting;
  bool upgrade_wanted_ = false;        // when the predecessor has gone
  bool replaced_ = false;              // another master has our sockets
  bool certificates_changed_ = false;  // while no reload was possible
  bool workers_wanted_ = true;
  int exit_code_ = 0;
};

}  // namespace banyan::process
