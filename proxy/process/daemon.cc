#include "process/daemon.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

namespace banyan::process {
namespace {

// The foreground process: a byte means ready, the end of the pipe means that the other one has gone.
[[noreturn]] void wait_in_foreground(Fd line) {
  char byte;
  ssize_t got;
  do {
    got = read(line.get(), &byte, 1);
  } while (got < 0 && errno == EINTR);
  _exit(got == 1 ? 0 : 1);
}

}  // namespace

Result<Daemon> Daemon::start() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return system_error("make a pipe", errno);
  Fd read_end(ends[0]), write_end(ends[1]);
  std::fflush(nullptr);
  pid_t first = fork();
  if (first < 0) return system_error("fork", errno);
  if (first > 0) {
    write_end.reset();
    wait_in_foreground(std::move(read_end));
  }
  read_end.reset();
  if (setsid() < 0) return system_error("setsid", errno);
  // The leader of a session could still get a terminal by opening one; its child cannot.
  pid_t second = fork();
  if (second < 0) return system_error("fork", errno);
  if (second > 0) _exit(0);
  return Daemon(std::move(write_end));
}

Result<void> Daemon::ready() {
  Fd null(open("/dev/null", O_RDWR | O_CLOEXEC));
  if (!null) return system_error("open /dev/null", errno);
  for (int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (dup2(null.get(), fd) < 0) return system_error("redirect to /dev/null", errno);
  }
  char byte = 1;
  // Nobody listens any more when the foreground process was killed; that changes nothing here.
  [[maybe_unused]] ssize_t written = write(line_.get(), &byte, 1);
  line_.reset();
  return {};
}

}  // namespace banyan::process
