// banyan -s ORDER: tells the running instance of a configuration what to do.
#pragma once

#include "process/command_line.h"

namespace banyan::process {

// stop, quit and reopen are signals to the process in the pid file, and return at once. reload asks the admin
// socket, waits, and says on standard error why it was refused. upgrade is refused: it is not supported yet.
// The exit code: 0 done (reload: applied), 1 refused or nobody is running.
int send_order(const CommandLine& line);

}  // namespace banyan::process
