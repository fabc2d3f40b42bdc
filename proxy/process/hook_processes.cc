#include "process/hook_processes.h"

#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>

#include "base/log.h"
#include "control/hook_line.h"

namespace banyan::process {
namespace {

// In the new process: all that was the master's is a copy that nobody may use, or destroy.
[[noreturn]] void live_as_hook(const Inheritance& inheritance, const config::Rollout& rollout, int line) {
  log::set_sink(nullptr, nullptr);
  log::set_role("hook/" + rollout.name);
  inheritance.title.set("banyan: hook " + rollout.name);
  close_others({static_cast<unsigned>(line)});
  ignore_terminal_signals();
  if (inheritance.user) {
    if (Result<void> changed = become(*inheritance.user); !changed) {
      LOG(error, "cannot become user {}: {}", inheritance.user->name, changed.error().message);
      _exit(1);
    }
  }
  control::serve_hook(line, *rollout.on_event);
  std::fflush(nullptr);
  _exit(0);
}

}  // namespace

void HookProcesses::start(const std::string& name, Fd line) {
  if (!line) {
    LOG(error, "rollout {}: its command cannot be started: there is no descriptor left", name);
    return;
  }
  const config::Rollout* rollout = inheritance_.current->config.find_rollout(name);
  if (!rollout || !rollout->on_event || rollout->on_event->command.empty()) {
    LOG(warn, "rollout {}: there is no command to run", name);
    return;
  }
  if (running_.size() >= kMost) {
    LOG(error, "rollout {}: {} commands are running already", name, running_.size());
    return;
  }
  // Signals are held back until the child has made its own arrangements.
  sigset_t all, before;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, &before);
  std::fflush(nullptr);
  const pid_t pid = fork();
  if (pid == 0) live_as_hook(inheritance_, *rollout, line.get());
  const int error = errno;
  sigprocmask(SIG_SETMASK, &before, nullptr);
  if (pid < 0) {
    LOG(error, "rollout {}: fork: {}", name, std::strerror(error));
    return;
  }
  running_.insert(pid);
}

}  // namespace banyan::process
