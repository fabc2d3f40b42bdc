#include "process/system_calls.h"

#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include <cerrno>
#include <memory>

#include "base/sanitized.h"

namespace banyan::process {
namespace {

// Negative where this machine has no such call; libseccomp then passes over it.
constexpr int kForbidden[] = {
    // other processes
    SCMP_SYS(process_vm_readv), SCMP_SYS(process_vm_writev), SCMP_SYS(process_madvise), SCMP_SYS(pidfd_getfd),
    SCMP_SYS(kcmp),
    // other roots
    SCMP_SYS(unshare), SCMP_SYS(setns), SCMP_SYS(mount), SCMP_SYS(umount), SCMP_SYS(umount2),
    SCMP_SYS(pivot_root), SCMP_SYS(chroot), SCMP_SYS(move_mount), SCMP_SYS(open_tree), SCMP_SYS(fsopen),
    SCMP_SYS(fsconfig), SCMP_SYS(fsmount), SCMP_SYS(fspick), SCMP_SYS(mount_setattr), SCMP_SYS(swapon),
    SCMP_SYS(swapoff), SCMP_SYS(quotactl), SCMP_SYS(quotactl_fd), SCMP_SYS(open_by_handle_at),
    SCMP_SYS(fanotify_init),
    // the kernel
    SCMP_SYS(kexec_load), SCMP_SYS(kexec_file_load), SCMP_SYS(init_module), SCMP_SYS(finit_module),
    SCMP_SYS(delete_module), SCMP_SYS(bpf), SCMP_SYS(perf_event_open), SCMP_SYS(userfaultfd),
    SCMP_SYS(io_uring_setup), SCMP_SYS(io_uring_enter), SCMP_SYS(io_uring_register), SCMP_SYS(reboot),
    SCMP_SYS(iopl), SCMP_SYS(ioperm), SCMP_SYS(syslog), SCMP_SYS(acct), SCMP_SYS(modify_ldt),
    SCMP_SYS(lookup_dcookie), SCMP_SYS(personality),
    // keys
    SCMP_SYS(add_key), SCMP_SYS(request_key), SCMP_SYS(keyctl),
    // the clock, names
    SCMP_SYS(settimeofday), SCMP_SYS(clock_settime), SCMP_SYS(clock_settime64), SCMP_SYS(clock_adjtime),
    SCMP_SYS(clock_adjtime64), SCMP_SYS(adjtimex), SCMP_SYS(stime), SCMP_SYS(sethostname),
    SCMP_SYS(setdomainname)};

constexpr int kForReports[] = {SCMP_SYS(execve), SCMP_SYS(execveat), SCMP_SYS(fork), SCMP_SYS(vfork),
                               SCMP_SYS(ptrace)};

struct Release {
  void operator()(scmp_filter_ctx filter) const { seccomp_release(filter); }
};
using Filter = std::unique_ptr<void, Release>;

class Rules {
 public:
  explicit Rules(uint32_t action) : filter_(seccomp_init(SCMP_ACT_ALLOW)), action_(action) {
    if (!filter_) error_ = -ENOMEM;
  }
  void forbid(int call) {
    if (!error_) error_ = seccomp_rule_add(filter_.get(), action_, call, 0);
  }
  void forbid(int call, scmp_arg_cmp when) {
    if (!error_) error_ = seccomp_rule_add(filter_.get(), action_, call, 1, when);
  }
  // Calls for another architecture fail in the same way; the calls are found by a tree, not one by one.
  Result<void> load(bool logged) {
    set(SCMP_FLTATR_ACT_BADARCH, action_);
    set(SCMP_FLTATR_CTL_OPTIMIZE, 2);
    // Kernels before 4.14 cannot; the filter is worth more than the log.
    if (!error_) seccomp_attr_set(filter_.get(), SCMP_FLTATR_CTL_LOG, logged);
    if (!error_) error_ = seccomp_load(filter_.get());
    if (error_) return system_error("load a seccomp filter", -error_);
    return {};
  }

 private:
  void set(scmp_filter_attr attribute, uint32_t value) {
    if (!error_) error_ = seccomp_attr_set(filter_.get(), attribute, value);
  }

  Filter filter_;
  uint32_t action_;
  int error_ = 0;
};

void forbid_sockets(Rules& rules) {
  constexpr unsigned kLast = AF_NETLINK;
  for (unsigned family = 0; family < kLast; ++family) {
    if (family == AF_UNIX || family == AF_INET || family == AF_INET6) continue;
    for (int call : {SCMP_SYS(socket), SCMP_SYS(socketpair)})
      rules.forbid(call, SCMP_A0_32(SCMP_CMP_EQ, family));
  }
  for (int call : {SCMP_SYS(socket), SCMP_SYS(socketpair)})
    rules.forbid(call, SCMP_A0_32(SCMP_CMP_GT, kLast));
}

Result<void> load_calls(bool for_reports) {
  Rules rules(SCMP_ACT_ERRNO(EPERM));
  for (int call : kForbidden) rules.forbid(call);
  if (!for_reports) {
    for (int call : kForReports) rules.forbid(call);
    rules.forbid(SCMP_SYS(clone), SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, 0));
  }
  // What a clone with any of these makes is no plain thread or process.
  for (unsigned space : {CLONE_NEWNS, CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWUSER,
                         CLONE_NEWPID, CLONE_NEWNET}) {
    rules.forbid(SCMP_SYS(clone), SCMP_A0(SCMP_CMP_MASKED_EQ, space, space));
  }
  forbid_sockets(rules);
  for (unsigned request : {TIOCSTI, TIOCLINUX}) {
    rules.forbid(SCMP_SYS(ioctl), SCMP_A1_32(SCMP_CMP_EQ, request));
  }
  return rules.load(true);
}

// By itself, because each thread begins with it: nothing to fill the audit log with.
Result<void> load_no_clone3() {
  Rules rules(SCMP_ACT_ERRNO(ENOSYS));
  rules.forbid(SCMP_SYS(clone3));
  return rules.load(false);
}

}  // namespace

Result<void> forbid_system_calls(FilterFor purpose) {
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return system_error("set no_new_privs", errno);
  if (Result<void> loaded = load_no_clone3(); !loaded) return loaded;
  return load_calls(kSanitized && purpose == FilterFor::this_build);
}

}  // namespace banyan::process
