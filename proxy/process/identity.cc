#include "process/identity.h"

#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>

#include "base/log.h"

namespace banyan::process {

Result<User> find_user(const std::string& name) {
  errno = 0;
  const passwd* entry = getpwnam(name.c_str());
  if (!entry) {
    return errno == 0 ? proxy_error("there is no user " + name) : system_error("look up user " + name, errno);
  }
  User user{name, entry->pw_uid, entry->pw_gid, {}};
  int count = 0;
  getgrouplist(name.c_str(), user.gid, nullptr, &count);
  user.groups.resize(static_cast<size_t>(count));
  if (getgrouplist(name.c_str(), user.gid, user.groups.data(), &count) < 0) {
    return proxy_error("cannot look up the groups of user " + name);
  }
  return user;
}

Result<void> find_root(const std::string& path) {
  struct stat status {};
  if (stat(path.c_str(), &status) != 0) return system_error(path, errno);
  if (!S_ISDIR(status.st_mode)) return system_error(path, ENOTDIR);
  return {};
}

std::vector<config::Diagnostic> check_identity(const config::Config& config) {
  std::vector<config::Diagnostic> diagnostics;
  if (geteuid() != 0) return diagnostics;
  if (!config.user.empty()) {
    if (auto user = find_user(config.user); !user)
      diagnostics.push_back({.path = "user", .message = user.error().message});
  }
  if (!config.chroot.empty()) {
    if (auto root = find_root(config.chroot); !root)
      diagnostics.push_back({.path = "chroot", .message = root.error().message});
  }
  return diagnostics;
}

Result<void> change_root(const std::string& path) {
  if (chroot(path.c_str()) != 0 || chdir("/") != 0) return system_error("chroot " + path, errno);
  return {};
}

Result<void> become(const User& user) {
  // While it may: afterwards no program this process starts could have them either. (Where a service manager
  // has taken CAP_SETPCAP away, no_new_privs says the same.)
  for (int capability = 0; prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; ++capability) {
    prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
  }
  if (setgroups(user.groups.size(), user.groups.data()) != 0) return system_error("setgroups", errno);
  if (setgid(user.gid) != 0) return system_error("setgid", errno);
  if (setuid(user.uid) != 0) return system_error("setuid", errno);
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return system_error("set no_new_privs", errno);
  // setuid() took these away: a core dump where the administrator asked for them, and one's own /proc
  // entries.
  prctl(PR_SET_DUMPABLE, 1);
  return {};
}

void drop_capabilities() {
  prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  __user_cap_header_struct head{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {};
  if (syscall(SYS_capset, &head, none) != 0) LOG(warn, "drop capabilities: {}", std::strerror(errno));
}

void ignore_terminal_signals() {
  for (int number : {SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2, SIGPIPE}) signal(number, SIG_IGN);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
}

void close_others(std::vector<unsigned> keep) {
  std::sort(keep.begin(), keep.end());
  unsigned from = STDERR_FILENO + 1;
  for (unsigned fd : keep) {
    if (fd > from) close_range(from, fd - 1, 0);
    from = std::max(from, fd + 1);
  }
  close_range(from, ~0U, 0);
}

// The kernel lays out the arguments' and then the environment's strings in one piece.
ProcessTitle ProcessTitle::prepare(int count, char** arguments) {
  ProcessTitle title;
  if (count == 0) return title;
  char* end = arguments[0];
  auto extend = [&](const char* text) {
    if (text == end) end += std::strlen(text) + 1;
  };
  for (int i = 0; i < count; ++i) extend(arguments[i]);
  for (char** variable = environ; *variable; ++variable) {
    extend(*variable);
    char* copy = strdup(*variable);
    if (!copy) return title;
    *variable = copy;
  }
  title.begin_ = arguments[0];
  title.size_ = static_cast<size_t>(end - arguments[0]);
  return title;
}

void ProcessTitle::set(std::string_view title) const {
  prctl(PR_SET_NAME, std::string(title).c_str());
  if (size_ == 0) return;
  size_t length = std::min(title.size(), size_ - 1);
  std::memset(begin_, 0, size_);
  std::memcpy(begin_, title.data(), length);
}

}  // namespace banyan::process
