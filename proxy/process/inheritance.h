// What the master has, and every child finds in its memory and descriptor table after the fork.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "admin/change_order.h"
#include "config/diagnostic.h"
#include "process/configuration.h"
#include "process/fd.h"
#include "process/identity.h"
#include "shm/directory.h"
#include "shm/segment.h"

namespace banyan::process {

// Descriptors by name: listening sockets by Address::text(), log files by path.
using NamedFds = std::map<std::string, Fd>;

struct Inheritance {
  std::shared_ptr<const Configuration> current;
  NamedFds sockets;  // of [[listener]]; the master closes none that the configuration names
  NamedFds admin_sockets;
  NamedFds logs;
  Fd state_lock;  // the master's alone
  shm::Segment segment;
  std::optional<User> user;  // whom children become; null: no change
  std::string root;          // of workers; empty: no change
  ProcessTitle title;
  std::vector<Fd> bells;  // eventfds, one for each worker
  pid_t master = 0;
  pid_t predecessor = 0;  // the master of an upgrade that may still be draining; 0: there was none
  std::optional<shm::Segment> predecessor_segment;
  std::vector<config::Address> abandoned;  // of its sockets, those that the configuration does not name
  uint32_t worker_count = 0;
  std::string seccomp = "off";  // of a child, known in itself: "on", "off", "not offered" (by the kernel)
  admin::Standing standing;     // kept up to date in master and controller
};

// How many workers a configuration asks for: its number, or one for each CPU this process may use (at most as
// many as the segment has slots).
uint32_t count_workers(const config::Config& config);

// Opens the listening sockets that `config` names and `have` has not. What cannot be opened is a diagnostic
// at the place of its listener; then the result is of no use. `in_use_until` as in net::ListenOptions.
NamedFds open_missing_sockets(const config::Config& config, const NamedFds& have,
                              std::vector<config::Diagnostic>& diagnostics, TimePoint in_use_until = {});
// The admin socket (0600) and the admin TCP address, but for those in `have`.
Result<NamedFds> open_admin_sockets(const config::Admin& admin, const NamedFds& have,
                                    TimePoint in_use_until = {});
// Closes those that `config` does not name, as listeners or as admin addresses, and returns them.
std::vector<config::Address> close_unnamed(const config::Config& config, NamedFds& sockets);
// The same, and the files of unix sockets go too.
void close_unnamed_sockets(const config::Config& config, NamedFds& sockets);

// Closes those of a configuration that did not come to be, and removes the files of unix sockets.
void discard_sockets(NamedFds& sockets);
// Sets the length of the queues to what `config` says.
void adjust_backlogs(const config::Config& config, const NamedFds& sockets);

// Opens the log files of `log` that `have` has not, or all of them (`again`).
Result<NamedFds> open_logs(const config::Log& log, const NamedFds& have, bool again);

// Gives the names of a configuration their numbers in shared memory.
Result<void> add_names(const config::Config& config, shm::Directory& directory);
// Reserves the shared memory that the handlers want; after add_names(). Master only.
Result<void> reserve_memory(const config::Config& config, shm::Directory& directory, shm::Segment& segment);

}  // namespace banyan::process
