// One instance for each state_dir: two that write rollouts.json, each from its own memory, would undo each
// other's orders. The lock (flock(2)) is on the folder itself, so it needs no file and no room on the disk;
// it belongs to the open folder, which an upgrade hands to the new master, and the kernel drops it with the
// last process that has it.
#pragma once

#include <string>

#include "base/result.h"
#include "process/fd.h"

namespace banyan::process {

// The locked folder; to be kept open as long as the instance runs. `handed`: what the old master of an
// upgrade has locked, if anything; it is used if it is the same folder. The error says that another instance
// runs there. A file system without such locks is worth a warning only.
Result<Fd> lock_state(const std::string& folder, Fd handed);

}  // namespace banyan::process
