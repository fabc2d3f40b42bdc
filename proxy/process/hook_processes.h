// The processes that run the commands of hooks (on_event in banyan.toml(5)): the master starts one for each
// command, because the controller, which asks for it, may start no program.
//
//   controller ── ask_hook: rollout, line ─▶ master ── fork ─▶ other user ─▶ control::serve_hook(line)
//
// The command comes from the master's configuration, never from who asks.
#pragma once

#include <sys/types.h>

#include <set>
#include <string>

#include "process/fd.h"
#include "process/inheritance.h"

namespace banyan::process {

class HookProcesses {
 public:
  // So many at the same time; each rollout runs one at a time, so more are nobody's wish.
  static constexpr size_t kMost = 64;

  explicit HookProcesses(Inheritance& inheritance) : inheritance_(inheritance) {}

  // The log says why when it is not done; closing the line tells who asked.
  void start(const std::string& rollout, Fd line);
  // False: none of these.
  bool on_death(pid_t pid) { return running_.erase(pid) > 0; }

 private:
  Inheritance& inheritance_;
  std::set<pid_t> running_;
};

}  // namespace banyan::process
