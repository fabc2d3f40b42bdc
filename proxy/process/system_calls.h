// Takes from a process the system calls that it has no use for and that whoever broke into it would want
// first: a seccomp filter, made with libseccomp. A forbidden call fails with EPERM, so a third party's
// handler that tries one sees an error instead of dying, and the kernel's audit log has a line of it. All
// else stays allowed: handlers may come as shared objects, and nobody can know what those need.
//
//   new programs      execve execveat; new processes: fork vfork clone without CLONE_THREAD
//                     (hooks' commands are the master's to start; threads are made as ever)
//   other processes   ptrace process_vm_readv process_vm_writev process_madvise pidfd_getfd kcmp: children of
//                     one master run as one user, who may otherwise read and write what is in their memory
//   other roots       unshare setns mount umount2 pivot_root chroot, the newer mount calls, swapon swapoff
//                     quotactl open_by_handle_at fanotify_init: new user namespaces opened many a kernel bug
//   the kernel        kexec, loading of modules, bpf perf_event_open userfaultfd io_uring: big, young, and
//                     none of ours; reboot iopl ioperm syslog acct modify_ldt lookup_dcookie personality
//   keys              add_key request_key keyctl: keyrings are shared with other processes of the user
//   the clock, names  settimeofday clock_settime clock_adjtime adjtimex sethostname setdomainname
//   sockets           of other families than unix, IPv4, IPv6 and netlink (getaddrinfo asks it)
//   terminals         the ioctls TIOCSTI and TIOCLINUX, which type for the user
//
// Calls for other machine words than ours (32-bit ones on 64-bit) are forbidden altogether. clone3 looks as
// if the kernel did not have it: a filter cannot see its flags, and the C library then takes clone.
#pragma once

#include "base/result.h"

namespace banyan::process {

enum class FilterFor {
  any_build,  // all of the above
  // A build with the sanitizers keeps new programs, new processes and ptrace: its reports are made with them.
  this_build,
};

// For this thread and all that it makes, for good; sets no_new_privs. Error: the kernel offers no filters.
Result<void> forbid_system_calls(FilterFor purpose);

}  // namespace banyan::process
