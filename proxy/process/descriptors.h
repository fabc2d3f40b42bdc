// How many descriptors a process may use, and for what. The master passes some to its children at any time:
// logs that were opened again, listening sockets and the configuration of a reload. A child that has none
// left for them could neither reopen nor reload, so a few are kept back from everything else:
//
//   0 ……………………………… soft limit ……… hard limit (RLIMIT_NOFILE)
//     connections, files        reserve: only while a message of the master's is received and obeyed
#pragma once

#include <sys/resource.h>

#include <optional>
#include <string>

#include "config/schema.h"

namespace banyan::process {

// As many open files as the kernel allows (RLIMIT_NOFILE's hard limit).
void raise_file_limit();
// For a child, once: takes the reserve away from the limit.
void keep_reserve();
// How many there are for everything but what the master passes; the same while the reserve is in use.
uint64_t descriptor_limit();

// While it lives the reserve may be used.
class ReserveInUse {
 public:
  ReserveInUse();
  ~ReserveInUse();
  ReserveInUse(const ReserveInUse&) = delete;
  ReserveInUse& operator=(const ReserveInUse&) = delete;

 private:
  std::optional<rlimit> before_;
};

// How many connections of clients a worker has at most: worker_connections, as far as its descriptors allow.
uint64_t connection_limit(const config::Config& config);
// What is to be said when worker_connections is more than that; empty if it is not.
std::string connection_warning(const config::Config& config);
// How many bodies may be in pipes of the kernel's.
size_t pipe_limit(const config::Config& config);

}  // namespace banyan::process
