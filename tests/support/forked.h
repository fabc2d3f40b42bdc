// Processes of a test: forked, and stopped or killed at an instruction of the test's choice.
#pragma once

#include <signal.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>

namespace banyan::testing {

// A process that does `work` and exits with 0. It ends when the test ends, whatever happens.
inline pid_t fork_to(const std::function<void()>& work) {
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid != 0) return pid;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(1);
  work();
  _exit(0);
}

// A process that does `work` one instruction at a time, when it is told to.
class Stepped {
 public:
  explicit Stepped(const std::function<void()>& work) {
    pid_ = fork_to([&] {
      if (ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) _exit(1);
      raise(SIGSTOP);
      work();
      raise(SIGSTOP);
    });
    int status = 0;
    ready_ = waitpid(pid_, &status, 0) == pid_ && WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP;
  }
  ~Stepped() { end(); }
  Stepped(const Stepped&) = delete;
  Stepped& operator=(const Stepped&) = delete;

  // False where ptrace(2) is not allowed.
  bool ready() const { return ready_; }
  // One instruction; false when the work is done (or the process has ended).
  bool step() {
    int status = 0;
    if (ptrace(PTRACE_SINGLESTEP, pid_, nullptr, nullptr) != 0) return false;
    return waitpid(pid_, &status, 0) == pid_ && WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP;
  }
  // kill -9, here and now.
  void end() {
    if (pid_ <= 0) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }

 private:
  pid_t pid_ = -1;
  bool ready_ = false;
};

}  // namespace banyan::testing
