#include "process/descriptors.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/log.h"
#include "process/inheritance.h"

namespace banyan::process {
namespace {

// Enough for the listeners, logs and files of a large change; an eighth where descriptors are few.
constexpr rlim_t kMostReserved = 64;
// Loop, threads, resolver, fetcher, logs, the line to the master, what libraries open now and then.
constexpr uint64_t kOwn = 32;
// Of bodies under way that may be in pipes: slow clients keep them, so there is a bound.
constexpr uint64_t kMostPipes = 128;

rlimit file_limit() {
  rlimit limit{.rlim_cur = 1024, .rlim_max = 1024};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) LOG(warn, "getrlimit: {}", std::strerror(errno));
  return limit;
}

rlim_t without_reserve(rlim_t hard) { return hard - std::min(kMostReserved, hard / 8); }

bool set_soft_limit(rlimit limit, rlim_t soft) {
  limit.rlim_cur = soft;
  return setrlimit(RLIMIT_NOFILE, &limit) == 0;
}

// What a worker can serve beside everything else that needs a descriptor.
uint64_t possible_connections(const config::Config& config) {
  // Each listener has a descriptor in reserve.
  const uint64_t other = kOwn + 2 * config.listeners.size() + count_workers(config) + 2 * pipe_limit(config);
  const uint64_t limit = descriptor_limit();
  return limit > other ? limit - other : 1;
}

}  // namespace

void raise_file_limit() {
  const rlimit limit = file_limit();
  if (limit.rlim_cur == limit.rlim_max || set_soft_limit(limit, limit.rlim_max)) return;
  LOG(warn, "cannot raise the limit of open files to {}: {}", limit.rlim_max, std::strerror(errno));
}

void keep_reserve() {
  const rlimit limit = file_limit();
  const rlim_t soft = std::min(limit.rlim_cur, without_reserve(limit.rlim_max));
  if (!set_soft_limit(limit, soft)) LOG(warn, "cannot keep descriptors back: {}", std::strerror(errno));
}

uint64_t descriptor_limit() {
  const rlimit limit = file_limit();
  return std::min(limit.rlim_cur, without_reserve(limit.rlim_max));
}

ReserveInUse::ReserveInUse() {
  const rlimit limit = file_limit();
  if (limit.rlim_cur < limit.rlim_max && set_soft_limit(limit, limit.rlim_max)) before_ = limit;
}

ReserveInUse::~ReserveInUse() {
  if (before_ && setrlimit(RLIMIT_NOFILE, &*before_) != 0) {
    LOG(warn, "cannot keep descriptors back: {}", std::strerror(errno));
  }
}

uint64_t connection_limit(const config::Config& config) {
  const uint64_t wanted =
      config.worker_connections > 0 ? config.worker_connections : descriptor_limit() / 10 * 9;
  return std::min(wanted, possible_connections(config));
}

std::string connection_warning(const config::Config& config) {
  const uint64_t limit = connection_limit(config);
  if (config.worker_connections <= limit) return {};
  return fmt::format("worker_connections: {} exceeds the limit of open files, {}: a worker takes {} at most",
                     config.worker_connections, file_limit().rlim_max, limit);
}

// With two descriptors each, at most a thirty-second of what the process may have.
size_t pipe_limit(const config::Config& config) {
  return config.splice ? static_cast<size_t>(std::min(kMostPipes, descriptor_limit() / 64)) : 0;
}

}  // namespace banyan::process
