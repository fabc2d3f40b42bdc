#include "process/inheritance.h"

#include <sched.h>
#include <sys/socket.h>

#include <algorithm>
#include <set>

#include "handlers/all_handlers.h"
#include "net/listen_socket.h"
#include "process/log_files.h"
#include "shm/regions.h"

namespace banyan::process {
namespace {

Result<Fd> open_socket(const config::Address& address, const net::ListenOptions& options) {
  Result<int> fd = net::open_listen_socket(address, options);
  if (!fd) return std::move(fd).error();
  return Fd(*fd);
}

std::vector<config::Address> admin_addresses(const config::Admin& admin) {
  std::vector<config::Address> all = {{.kind = config::Address::Kind::unix_socket, .host = admin.socket}};
  if (admin.listen) all.push_back(*admin.listen);
  return all;
}

Result<void> add_servers(const config::Upstream& upstream, shm::Directory& directory) {
  for (const config::Server& server : upstream.servers) {
    auto number = directory.add(shm::Kind::server, shm::server_name(upstream.name, server.address.text()));
    if (!number) return std::move(number).error();
  }
  return {};
}

template <class Entries>
Result<void> add_all(shm::Kind kind, const Entries& entries, shm::Directory& directory) {
  for (const auto& entry : entries) {
    auto number = directory.add(kind, entry.name);
    if (!number) return std::move(number).error();
  }
  return {};
}

}  // namespace

uint32_t count_workers(const config::Config& config) {
  uint32_t count = config.workers;
  cpu_set_t cpus;
  if (count == 0)
    count = sched_getaffinity(0, sizeof cpus, &cpus) == 0 ? static_cast<uint32_t>(CPU_COUNT(&cpus)) : 1;
  return std::clamp<uint32_t>(count, 1, shm::kWorkers);
}

NamedFds open_missing_sockets(const config::Config& config, const NamedFds& have,
                              std::vector<config::Diagnostic>& diagnostics, TimePoint in_use_until) {
  NamedFds opened;
  for (const config::Listener& listener : config.listeners) {
    std::string name = listener.address.text();
    if (have.contains(name) || opened.contains(name)) continue;
    Result<Fd> fd = open_socket(listener.address, {static_cast<int>(listener.backlog), 0666, in_use_until});
    if (fd) {
      opened.emplace(name, std::move(*fd));
    } else {
      diagnostics.push_back(
          {.where = listener.where, .path = "listener.address", .message = fd.error().message});
    }
  }
  return opened;
}

Result<NamedFds> open_admin_sockets(const config::Admin& admin, const NamedFds& have,
                                    TimePoint in_use_until) {
  constexpr int kBacklog = 128;
  NamedFds opened;
  for (const config::Address& address : admin_addresses(admin)) {
    if (have.contains(address.text())) continue;
    Result<Fd> fd = open_socket(address, {kBacklog, 0600, in_use_until});
    if (!fd) return std::move(fd).error();
    opened.emplace(address.text(), std::move(*fd));
  }
  return opened;
}

std::vector<config::Address> close_unnamed(const config::Config& config, NamedFds& sockets) {
  std::set<std::string> named;
  for (const config::Listener& listener : config.listeners) named.insert(listener.address.text());
  for (const config::Address& address : admin_addresses(config.admin)) named.insert(address.text());
  std::vector<config::Address> closed;
  std::erase_if(sockets, [&](const auto& entry) {
    if (named.contains(entry.first)) return false;
    if (auto address = config::parse_address(entry.first)) closed.push_back(std::move(*address));
    return true;
  });
  return closed;
}

void close_unnamed_sockets(const config::Config& config, NamedFds& sockets) {
  for (const config::Address& address : close_unnamed(config, sockets)) net::remove_socket_file(address);
}

void discard_sockets(NamedFds& sockets) {
  for (const auto& [name, fd] : sockets) {
    if (auto address = config::parse_address(name)) net::remove_socket_file(*address);
  }
  sockets.clear();
}

// listen(2) on a listening socket changes its queue and nothing else.
void adjust_backlogs(const config::Config& config, const NamedFds& sockets) {
  for (const config::Listener& listener : config.listeners) {
    auto socket = sockets.find(listener.address.text());
    if (socket != sockets.end()) listen(socket->second.get(), static_cast<int>(listener.backlog));
  }
}

Result<NamedFds> open_logs(const config::Log& log, const NamedFds& have, bool again) {
  NamedFds opened;
  for (const std::string& path : LogFiles::paths(log)) {
    if (!again && have.contains(path)) continue;
    Result<Fd> fd = open_log(path);
    if (!fd) return std::move(fd).error();
    opened.emplace(path, std::move(*fd));
  }
  return opened;
}

Result<void> add_names(const config::Config& config, shm::Directory& directory) {
  Result<void> done = add_all(shm::Kind::route, config.routes, directory);
  if (done) done = add_all(shm::Kind::upstream, config.upstreams, directory);
  if (done) done = add_all(shm::Kind::rollout, config.rollouts, directory);
  if (done) done = add_all(shm::Kind::handler, config.handlers, directory);
  for (size_t i = 0; done && i < config.upstreams.size(); ++i)
    done = add_servers(config.upstreams[i], directory);
  if (done && !config.lua.routes.empty()) {
    auto number = directory.add(shm::Kind::script, config.lua.routes.path);
    if (!number) return std::move(number).error();
  }
  return done;
}

Result<void> reserve_memory(const config::Config& config, shm::Directory& directory, shm::Segment& segment) {
  for (const config::HandlerEntry& entry : config.handlers) {
    for (const handler::HandlerType& type : handlers::all_handlers()) {
      if (type.name != entry.type || !type.shared_bytes) continue;
      const uint64_t bytes = type.shared_bytes(entry);
      if (bytes == 0) continue;
      const uint32_t number = directory.find(shm::Kind::handler, entry.name);
      auto is_new = shm::reserve_region(segment, shm::Kind::handler, number, bytes);
      if (!is_new) return std::move(is_new).error();
      if (!*is_new || !type.format_shared) continue;
      auto region = shm::map_region(segment, shm::Kind::handler, number);
      if (!region) return std::move(region).error();
      auto formatted = type.format_shared(entry, region->bytes());
      if (!formatted) return formatted;
    }
  }
  return {};
}

}  // namespace banyan::process
