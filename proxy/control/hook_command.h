// Runs a hook's command: no shell, its own process group, text on standard input, what it says collected.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"

namespace banyan::control {

struct CommandRun {
  std::vector<std::string> command;      // program by its absolute path, arguments
  std::vector<std::string> environment;  // "NAME=value", besides ours
  std::string input;
  Millis timeout{0};
};

struct CommandEnd {
  bool ok = false;     // exit status 0
  std::string what;    // "exit status 3", "killed after 10000 ms"
  std::string output;  // standard output and error, the first 8 KiB
};

// Blocks until the command has ended: for a process or thread of its own. It is killed, with its process
// group, when the time is up or the other end of the socket `line` has gone (-1: no such). What it leaves in
// the background is let be after a proper end.
// REQUIRES: SIGPIPE is ignored, because it may end before it has read its input.
CommandEnd run_command(const CommandRun& run, int line);

// BANYAN_OLD_STATE=holding for each plain member of the object `event` (a journal's line, JSON). Nothing for
// what is no object.
std::vector<std::string> event_environment(std::string_view event);

}  // namespace banyan::control
