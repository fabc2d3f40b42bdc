// In children of the test: a filter is for good.

#include "process/system_calls.h"

#include <gtest/gtest.h>
#include <linux/keyctl.h>
#include <netdb.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <functional>
#include <thread>

namespace banyan::process {
namespace {

constexpr int kNoFilters = 255;

// The result of `body` behind the filter.
int behind_the_filter(FilterFor purpose, const std::function<int()>& body) {
  const pid_t pid = fork();
  if (pid == 0) {
    if (!forbid_system_calls(purpose)) _exit(kNoFilters);
    _exit(body());
  }
  int status = 0;
  waitpid(pid, &status, 0);
  EXPECT_TRUE(WIFEXITED(status)) << status;
  return WEXITSTATUS(status);
}

#define SKIP_WITHOUT_FILTERS()                                                 \
  if (behind_the_filter(FilterFor::any_build, [] { return 0; }) == kNoFilters) \
  GTEST_SKIP() << "no seccomp here"

// errno of a call that must fail; 0 when it did not.
template <class... Arguments>
int error_of(long number, Arguments... arguments) {
  errno = 0;
  return syscall(number, arguments...) == -1 ? errno : 0;
}

TEST(SystemCalls, NoProgramIsStarted) {
  SKIP_WITHOUT_FILTERS();
  const auto start = [] {
    char name[] = "/bin/true";
    char* const words[] = {name, nullptr};
    execve(name, words, environ);
    return errno;
  };
  EXPECT_EQ(behind_the_filter(FilterFor::any_build, start), EPERM);
  const auto start_at = [] { return error_of(SYS_execveat, -1, "/bin/true", nullptr, nullptr, 0); };
  EXPECT_EQ(behind_the_filter(FilterFor::any_build, start_at), EPERM);
}

TEST(SystemCalls, NoProcessIsMade) {
  SKIP_WITHOUT_FILTERS();
  const auto make = [] {
    const pid_t pid = fork();
    if (pid == 0) _exit(0);
    return pid < 0 ? errno : 0;
  };
  EXPECT_EQ(behind_the_filter(FilterFor::any_build, make), EPERM);
}

TEST(SystemCalls, WhatABreakInWantsIsForbidden) {
  SKIP_WITHOUT_FILTERS();
  const struct {
    const char* name;
    std::function<int()> call;
  } calls[] = {
      {"ptrace", [] { return error_of(SYS_ptrace, PTRACE_TRACEME, 0, 0, 0); }},
      {"process_vm_readv", [] { return error_of(SYS_process_vm_readv, getpid(), 0, 0, 0, 0, 0); }},
      {"pidfd_getfd", [] { return error_of(SYS_pidfd_getfd, -1, 0, 0); }},
      {"unshare", [] { return error_of(SYS_unshare, CLONE_NEWUSER); }},
      {"clone", [] { return error_of(SYS_clone, CLONE_NEWUSER | CLONE_THREAD, 0, 0, 0, 0); }},
      {"mount", [] { return error_of(SYS_mount, "none", "/tmp", "tmpfs", 0, 0); }},
      {"chroot", [] { return error_of(SYS_chroot, "/"); }},
      {"init_module", [] { return error_of(SYS_init_module, 0, 0, ""); }},
      {"kexec_load", [] { return error_of(SYS_kexec_load, 0, 0, 0, 0); }},
      {"bpf", [] { return error_of(SYS_bpf, 0, 0, 0); }},
      {"perf_event_open", [] { return error_of(SYS_perf_event_open, 0, 0, -1, -1, 0); }},
      {"userfaultfd", [] { return error_of(SYS_userfaultfd, 0); }},
      {"io_uring_setup", [] { return error_of(SYS_io_uring_setup, 1, 0); }},
      {"keyctl", [] { return error_of(SYS_keyctl, KEYCTL_GET_KEYRING_ID, 0, 0); }},
      {"AF_PACKET", [] { return error_of(SYS_socket, AF_PACKET, SOCK_RAW, 0); }},
      {"AF_ALG", [] { return error_of(SYS_socket, AF_ALG, SOCK_SEQPACKET, 0); }},
      {"TIOCSTI", [] { return error_of(SYS_ioctl, 0, TIOCSTI, "x"); }},
  };
  for (const auto& [name, call] : calls)
    EXPECT_EQ(behind_the_filter(FilterFor::any_build, call), EPERM) << name;
  EXPECT_EQ(behind_the_filter(FilterFor::any_build, [] { return error_of(SYS_clone3, 0, 0); }), ENOSYS);
}

TEST(SystemCalls, ThreadsNamesAndSocketsWorkAsBefore) {
  SKIP_WITHOUT_FILTERS();
  const auto use = [] {
    int result = 1;
    std::thread([&result] {
      addrinfo* list = nullptr;
      if (getaddrinfo("localhost", "80", nullptr, &list) != 0) return;
      freeaddrinfo(list);
      result = 0;
    }).join();
    for (int family : {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK}) {
      if (socket(family, SOCK_DGRAM, 0) < 0 && errno == EPERM) result = 2;
    }
    if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1) result = 3;
    return result;
  };
  EXPECT_EQ(behind_the_filter(FilterFor::any_build, use), 0);
  EXPECT_EQ(behind_the_filter(FilterFor::this_build, use), 0);
}

}  // namespace
}  // namespace banyan::process
