// What a configuration says of upstreams; see schema.h.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "config/schema_client.h"
#include "config/values.h"

namespace banyan::config {

using namespace std::chrono_literals;  // NOLINT: as in schema.h

struct Server {
  Address address;
  uint32_t weight = 1;
  bool backup = false;           // used only when no other server can be
  uint32_t max_connections = 0;  // requests under way at the same time, over all workers; 0: no limit
  Where where;
  bool operator==(const Server&) const = default;
};

// 0 switches a timeout off, but connect's.
struct UpstreamTimeouts {
  Millis connect = 3s;
  Millis response = 30s;  // from the request's last byte to the response's head
  Millis idle = 60s;      // between two reads of a response body, or two writes of a request body
  Millis tunnel = 1h;
  bool operator==(const UpstreamTimeouts&) const = default;
};

struct UpstreamKeepalive {
  Millis idle = 4s;           // unless the server's "Keep-Alive: timeout=N" says otherwise
  Millis idle_max = 60s;      // the most that is learned from it
  uint32_t connections = 64;  // idle ones kept, for each worker and server; 0 keeps none
  uint32_t requests = 0;      // on one connection; 0 for no limit
  bool operator==(const UpstreamKeepalive&) const = default;
};

// For each worker.
struct UpstreamLimits {
  uint32_t connections = 1024;  // open ones to the whole group
  uint32_t pending = 256;       // requests waiting for one of them
  Millis queue = 5s;            // longest wait
  uint64_t response_head = 64 * 1024;
  bool operator==(const UpstreamLimits&) const = default;
};

struct UpstreamRetry {
  uint32_t attempts = 1;   // further attempts after the first, each on another server if there is one
  uint32_t budget = 2000;  // retries as a share of requests, hundredths of a percent
  Millis backoff = 25ms;   // first pause, full jitter, doubled each time
  Millis backoff_max = 250ms;
  bool operator==(const UpstreamRetry&) const = default;
};

// Passive health: what real requests say.
struct Ejection {
  uint32_t failures = 5;  // in a row; 0 switches ejection off
  Millis time = 30s;      // times the number of ejections so far
  Millis time_max = 5min;
  uint32_t max_percent = 5000;  // of the group, hundredths of a percent; the last server is never ejected
  std::vector<uint32_t> retry_after = {503};  // statuses whose Retry-After ejects for as long as it says
  bool operator==(const Ejection&) const = default;
};

// Too many failures of the whole group, whichever server they came from.
struct Breaker {
  uint32_t failures = 5000;  // share of the requests that opens it, hundredths of a percent
  uint32_t requests = 20;    // least within the window
  Millis window = 10s;
  Millis time = 5s;  // open for so long; doubled each time
  Millis time_max = 1min;
  uint32_t trials = 3;  // that must succeed before it closes
  bool operator==(const Breaker&) const = default;
};

// Active health: what probes say.
struct Health {
  enum class Type { http, tcp };
  Type type = Type::http;
  std::string path;  // begins with "/"; for Type::http
  std::string host;  // empty: the server's address
  Millis interval = 5s;
  Millis timeout = 2s;
  uint32_t fall = 3;
  uint32_t rise = 2;
  bool operator==(const Health&) const = default;
};

// TLS to the servers of an upstream: verified, unless it is said that it shall not be.
struct UpstreamTls {
  FileRef ca;           // PEM; empty: the system's authorities
  FileRef crl;          // PEM, of revoked certificates; only with ca
  std::string name;     // that certificates must be for, and SNI; empty: the server's host
  FileRef certificate;  // ours, PEM, leaf first; empty: none
  FileRef key;
  Tls::Version min_version = Tls::Version::tls1_2;
  bool insecure = false;
  bool operator==(const UpstreamTls&) const = default;
};

struct Upstream {
  enum class Balance { round_robin, least_conn, p2c, hash };
  std::string name;
  std::vector<Server> servers;  // at least one
  Balance balance = Balance::round_robin;
  ClientKey hash;  // for Balance::hash
  std::optional<UpstreamTls> tls;
  ProxyProtocol proxy_protocol = ProxyProtocol::off;  // towards the servers
  UpstreamTimeouts timeouts;
  UpstreamKeepalive keepalive;
  UpstreamLimits limits;
  UpstreamRetry retry;
  Ejection ejection;
  std::optional<Breaker> breaker;
  std::optional<Health> health;
  Millis slow_start = 0ms;  // how long a server that comes back gets less than its share
  Millis resolve = 30s;     // how often host names are looked up again
  Where where;
  bool operator==(const Upstream&) const = default;
};

}  // namespace banyan::config
