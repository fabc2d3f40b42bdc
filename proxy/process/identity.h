// Who a process is: user, limits, title, and what it may still do.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "config/diagnostic.h"
#include "config/schema.h"

namespace banyan::process {

// A user as the kernel knows it, looked up before the fork: children never open the user database.
struct User {
  std::string name;
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<gid_t> groups;
};

// Error when there is no such user.
Result<User> find_user(const std::string& name);
// Error when there is no such folder.
Result<void> find_root(const std::string& path);
// What the start would refuse of `user` and `chroot`. Only root can do what they ask for; for others they
// have no effect.
std::vector<config::Diagnostic> check_identity(const config::Config& config);
// Makes the folder the root of this process, for good unless it stays root.
Result<void> change_root(const std::string& path);
// Becomes the user, for good: groups, gid, uid, no capability, and no way back by a set-uid program.
Result<void> become(const User& user);
// All capabilities of this process, also those a service manager gave to a user who is not root.
void drop_capabilities();

// Signals as a child of the master wants them. Those that come from a terminal go to its whole process group:
// the master hears them too, and tells the children what to do. (TERM keeps its default effect: it ends this
// one process, and another takes its place.)
void ignore_terminal_signals();
// Closes all descriptors but the standard ones and these.
void close_others(std::vector<unsigned> keep);

// What ps(1) and top(1) show. The first call to prepare() takes over the memory that held main()'s arguments
// and the environment, which moves elsewhere; without it set() changes only the short name.
class ProcessTitle {
 public:
  static ProcessTitle prepare(int count, char** arguments);
  // "banyan: worker 0"
  void set(std::string_view title) const;

 private:
  char* begin_ = nullptr;
  size_t size_ = 0;
};

}  // namespace banyan::process
