// From the command line to the running master.
#pragma once

#include "process/command_line.h"
#include "process/handover.h"
#include "process/identity.h"

namespace banyan::process {

// Reads and checks the configuration, opens everything the master holds, goes to the background if asked to,
// and runs the master until its end. What goes wrong is said on standard error. The exit code.
// `program` is for upgrades; when this is the new program of one, it takes over what the old master has.
int start_master(const CommandLine& line, const ProcessTitle& title, Program program);

}  // namespace banyan::process
