// The pid file: the number of the master, and a lock that says whether it lives.
//
// The master holds a POSIX record lock (fcntl(2), F_SETLK) on the file as long as it runs; the kernel drops
// it however the master ends, so a file left behind by kill -9 is never taken for a running instance, even if
// its number is in use again. A new file is written aside, locked and renamed over: a reader sees a whole
// number or none.
#pragma once

#include <sys/types.h>

#include <string>

#include "base/result.h"
#include "process/fd.h"

namespace banyan::process {

class PidFile {
 public:
  // Writes the calling process's number. The error says which process runs already, or what the system
  // refused. Locks belong to the process: call it after the last fork of a daemon.
  static Result<PidFile> create(const std::string& path);
  // The number of the living process that holds the file; an error if there is none.
  static Result<pid_t> read(const std::string& path);

  PidFile() = default;
  PidFile(PidFile&& other) = default;
  PidFile& operator=(PidFile&& other) = default;
  // Leaves the file alone; remove() is the orderly end.
  ~PidFile() = default;

  // Makes room for the file of a new master, and takes the place again: the file is PATH.oldbin meanwhile, as
  // nginx has it.
  Result<void> step_aside();
  Result<void> step_back();

  // Removes the file, if it is still this one. No-op when there is none.
  void remove();

 private:
  PidFile(std::string path, Fd fd) : path_(std::move(path)), fd_(std::move(fd)) {}

  std::string path_;
  Fd fd_;
};

}  // namespace banyan::process
