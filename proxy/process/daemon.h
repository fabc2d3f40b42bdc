// Going to the background the old way: `daemon = true`.
#pragma once

#include <optional>

#include "base/result.h"
#include "process/fd.h"

namespace banyan::process {

// The background process's line to the one that was started from the shell, which waits there.
class Daemon {
 public:
  // Forks twice and leaves the terminal's session. Returns in the background process only; the process in the
  // foreground waits and exits with 0 once ready() was called, or with 1 when the background process ended
  // before. REQUIRES: no threads, no locks held.
  static Result<Daemon> start();

  // Standard input, output and error become /dev/null, and the foreground process exits.
  Result<void> ready();

 private:
  explicit Daemon(Fd line) : line_(std::move(line)) {}
  Fd line_;
};

}  // namespace banyan::process
