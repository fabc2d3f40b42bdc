// The way from the controller, which may not start programs, to the process that runs a hook's command.
//
//   controller  HookLine ── event, one line of JSON ─▶ serve_hook()  a process of the command's own
//                        ◀─ {"ok", "what", "output"} ──  run_command(), then it ends
//
// Over one socket. What is run and for how long is not said there: the process was started by the master, who
// knows the configuration, so a controller in wrong hands runs nothing else. Closing the line ends the
// command.
#pragma once

#include <optional>
#include <string>

#include "config/schema.h"
#include "control/hook_command.h"
#include "event/deferred.h"
#include "event/io.h"
#include "event/loop.h"
#include "event/timer.h"

namespace banyan::control {

class HookStarter {
 public:
  // Has a process started that calls serve_hook() for the command of a rollout's on_event. The result is the
  // other end of its line, the caller's. It may turn out later that none was started: the line ends then.
  virtual Result<int> start_hook(const std::string& rollout) = 0;

 protected:
  ~HookStarter() = default;
};

// One command, seen from the controller.
class HookLine final : public event::Disposable {
 public:
  class Listener {
   public:
    // From the loop, once after start(). May dispose of the line, not destroy it.
    virtual void on_hook_end(const CommandEnd& end) = 0;

   protected:
    ~Listener() = default;
  };

  HookLine(event::Loop& loop, Listener& listener);
  // Nobody waits for it any more: it is killed.
  ~HookLine() override;

  // Once. `timeout` is the command's own, which its process looks after; a process that does not answer some
  // seconds after it counts as dead.
  void start(HookStarter& starter, const std::string& rollout, const std::string& event, Millis timeout);

 private:
  Result<void> open(HookStarter& starter, const std::string& rollout, const std::string& event);
  void on_readable();
  void on_late();
  void on_failure() { end({false, failure_, {}}); }
  void end(const CommandEnd& how);

  event::Loop& loop_;
  Listener& listener_;
  int line_ = -1;
  std::optional<event::IoWatch> watch_;
  event::Timer patience_;
  event::Deferred failure_notice_;
  std::string failure_;
  std::string answer_;
};

// The other end: waits for the event, runs the command and tells how it ended. Blocks, for a process of its
// own. REQUIRES: SIGPIPE is ignored.
void serve_hook(int line, const config::RolloutHook& hook);

}  // namespace banyan::control
