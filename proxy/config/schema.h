// What a configuration says, as plain structs with the defaults in place.
//
// The keys, their text forms, bounds and documentation are in tables*.cc, one row for each member here; the
// files of both are divided alike. Equality is by value, so that a reload can carry over what did not change
// (Where never counts). Durations are milliseconds, sizes are bytes, percentages are hundredths of a percent
// (0 to 10000). Defaults follow "what an edge proxy in front of Node needs", which is seldom nginx's 60
// seconds; tables.cc says why where it matters.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/log.h"
#include "config/options.h"
#include "config/schema_client.h"
#include "config/schema_rollout.h"
#include "config/schema_route.h"
#include "config/schema_upstream.h"
#include "config/values.h"

namespace banyan::config {

using namespace std::chrono_literals;  // NOLINT: the defaults below read as they are written in TOML

// ---------------------------------------------------------------- the process

struct AccessLog {
  enum class Format { json, combined };
  std::string path = "off";  // absolute, or "off", "stdout", "stderr"
  Format format = Format::combined;
  bool operator==(const AccessLog&) const = default;
};

struct ErrorLog {
  std::string path = "stderr";  // absolute, or "stdout", "stderr"
  log::Level level = log::Level::info;
  bool operator==(const ErrorLog&) const = default;
};

struct Log {
  AccessLog access;
  ErrorLog error;
  bool operator==(const Log&) const = default;
};

struct Admin {
  std::string socket;             // absolute; after loading never empty (run_dir + "/admin.sock")
  std::optional<Address> listen;  // TCP, only with a token
  Secret token;
  bool operator==(const Admin&) const = default;
};

// ---------------------------------------------------------------- handlers

struct HandlerEntry {
  std::string name;
  std::string type;
  Options options;  // options.as<EchoOptions>() in the handler's factory
  Where where;
  bool operator==(const HandlerEntry&) const = default;
};

// ---------------------------------------------------------------- Lua

// For each call of route().
struct LuaLimits {
  Millis wall = 10ms;
  uint64_t instructions = 1'000'000;
  uint64_t memory = 16 * 1024 * 1024;  // of the whole state
  bool operator==(const LuaLimits&) const = default;
};

struct Lua {
  FileRef routes;  // empty(): no script
  LuaLimits limits;
  bool operator==(const Lua&) const = default;
};

// ---------------------------------------------------------------- all of it

struct Config {
  uint32_t workers = 0;  // 0: "auto", one for each CPU this process may use
  std::string user;      // of the workers and the controller; empty: no change
  std::string chroot;    // of the workers; empty: no change
  bool seccomp = true;   // workers and controller give up system calls that they do not need
  bool splice = true;    // large bodies go from socket to socket within the kernel
  bool daemon = false;
  std::string state_dir = "/var/lib/banyan";
  std::string run_dir = "/run/banyan";
  Millis shutdown_timeout = 30s;
  uint32_t worker_connections = 0;    // 0: from RLIMIT_NOFILE
  std::vector<Cidr> trusted_proxies;  // whose X-Forwarded-* headers are believed
  std::string via = "banyan";         // our name in Via and Proxy-Status
  // The field that says how many milliseconds of the deadline are left; empty: none.
  std::string timeout_header = "Banyan-Timeout-Ms";
  Log log;
  Admin admin;
  Client client;
  Overload overload;
  std::vector<Listener> listeners;
  std::vector<Upstream> upstreams;
  std::vector<HandlerEntry> handlers;
  std::vector<Rollout> rollouts;
  std::vector<Route> routes;  // in file order
  Lua lua;
  bool operator==(const Config&) const = default;

  std::string pid_path() const { return run_dir + "/banyan.pid"; }
  // By name; null if there is none.
  const Upstream* find_upstream(std::string_view name) const;
  const HandlerEntry* find_handler(std::string_view name) const;
  const Rollout* find_rollout(std::string_view name) const;
};

}  // namespace banyan::config
