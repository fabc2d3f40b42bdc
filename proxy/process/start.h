// From the command line to the running master.
#pragma once

#include "process/command_line.h"
#include "process/identity.h"

namespace banyan::process {

// Reads and checks the configuration, opens everything the master holds, goes to the background if asked to,
// and runs the master until its end. What goes wrong is said on standard error. The exit code.
int start_master(const CommandLine& line, const ProcessTitle& title);

}  // namespace banyan::process
