// banyan -t and -T: is this configuration one that would run?
#pragma once

#include "process/command_line.h"

namespace banyan::process {

// Reads the configuration and builds all of it as a worker would, runs the Lua script's own tests, and says
// on standard error what is wrong. For -T it is printed on standard output. Touches no socket, log or state.
// The exit code.
int check_configuration(const CommandLine& line);

}  // namespace banyan::process
