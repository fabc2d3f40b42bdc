// What a configuration says, as plain structs with the defaults in place.
//
// The keys, their text forms, bounds and documentation are in tables.cc, one row for each member here.
// Equality is by value, so that a reload can carry over what did not change (Where never counts). Durations
// are milliseconds, sizes are bytes, percentages are hundredths of a percent (0 to 10000). Defaults follow
// "what an edge proxy in front of Node needs", which is seldom nginx's 60 seconds; tables.cc says why where
// it matters.
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

// ---------------------------------------------------------------- towards clients

struct Certificate {
  FileRef certificate;  // PEM, leaf first
  FileRef key;          // PEM
  FileRef ocsp;         // DER, an OCSP response about it; empty: none
  bool operator==(const Certificate&) const = default;
};

// Its own certificate is for clients that ask for no name that another one has.
struct Tls : Certificate {
  enum class Version { tls1_2, tls1_3 };
  enum class Verify { off, optional, required };
  enum class UnknownNames { serve, refuse };
  std::vector<Certificate> more;  // chosen by the names in them
  UnknownNames unknown_names = UnknownNames::serve;
  Verify verify = Verify::off;  // certificates of clients
  FileRef ca;                   // PEM, who may sign those; never empty unless Verify::off
  FileRef crl;                  // PEM, of revoked ones
  Version min_version = Version::tls1_2;
  bool operator==(const Tls&) const = default;
};

struct Listener {
  Address address;  // never Kind::name
  std::optional<Tls> tls;
  bool proxy_protocol = false;
  uint32_t backlog = 1024;
  Where where;
  bool operator==(const Listener&) const = default;
};

// 0 switches a timeout off.
struct ClientTimeouts {
  Millis header = 10s;         // from the first byte of a head to its end
  Millis body = 30s;           // between two reads of a body
  Millis write = 60s;          // without progress while bytes wait for the client
  Millis keepalive = 65s;      // idle between two requests
  Millis keepalive_age = 1h;   // of a connection; it is closed after the answer under way
  Millis tls_handshake = 10s;  // from accept to the end of the handshake; the PROXY header's too
  Millis tunnel = 1h;          // WebSocket and other upgraded connections, idle in both directions
  bool operator==(const ClientTimeouts&) const = default;
};

// "100/s", "600/m", "5000/h".
struct Rate {
  uint32_t count = 0;  // 0: no limit
  Millis period = 1s;
  bool operator==(const Rate&) const = default;
};

struct ClientLimits {
  uint64_t head = 32 * 1024;  // request line and fields together
  uint64_t line = 8 * 1024;   // the request line, and each field
  uint32_t fields = 100;
  uint32_t keepalive_requests = 1000;  // on one connection; 0 for no limit
  uint64_t body_rate = 1024;           // bytes per second a body must arrive with; 0 for no minimum
  Millis body_rate_after = 60s;        // from when on body_rate is asked for
  uint64_t response_rate = 1024;       // bytes per second a client must take an answer with; 0 for no minimum
  Millis response_rate_after = 60s;    // how long bytes may have waited before it is asked for
  uint32_t connections = 0;            // of one address, in all workers; 0 for no limit
  Rate handshakes;                     // of TLS, of one address, in all workers
  Rate handshakes_total;               // of all addresses together
  bool operator==(const ClientLimits&) const = default;
};

// When a worker answers new requests by 503; each 0: never for that reason.
struct Overload {
  Millis loop_lag = 1s;         // turns of its loop that take so long
  uint32_t descriptors = 9500;  // share of RLIMIT_NOFILE in use, hundredths of a percent
  uint64_t memory = 0;          // resident bytes
  bool operator==(const Overload&) const = default;
};

struct Client {
  ClientTimeouts timeouts;
  ClientLimits limits;
  bool operator==(const Client&) const = default;
};

// ---------------------------------------------------------------- towards upstreams

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

// ---------------------------------------------------------------- handlers and rollouts

struct HandlerEntry {
  std::string name;
  std::string type;
  Options options;  // options.as<EchoOptions>() in the handler's factory
  Where where;
  bool operator==(const HandlerEntry&) const = default;
};

// Lets trusted clients ask for a side.
struct Force {
  std::string header = "X-Banyan-Side";
  std::vector<Cidr> from;
  bool operator==(const Force&) const = default;
};

// steps = [{ percent = 10, hold = "7d" }, ...]
struct RolloutStep {
  uint32_t percent = 0;  // 1 to 10000, more than the step before
  Millis hold = 0ms;     // how long it lasts at least; of the last step: the soak
  bool approve = false;  // is taken only after "banyanctl rollout step"
  Where where;
  bool operator==(const RolloutStep&) const = default;
};

enum class Weekday : uint8_t { mon, tue, wed, thu, fri, sat, sun };

// Hours in which nobody is raised: they begin on each of the days at `from` and end at `to`, on the next day
// if that is not later.
struct Freeze {
  std::vector<Weekday> days;         // empty: every day
  std::chrono::minutes from = 0min;  // since midnight of the zone, 0 to 24 h; never equal to `to`
  std::chrono::minutes to = 24h;
  std::string tz = "UTC";  // IANA name, known to the system
  bool operator==(const Freeze&) const = default;
};

// How native is judged against legacy.
struct Gate {
  uint32_t min_requests = 100;        // of each side, within the window
  Millis window = 10min;              // how far back statistics count
  uint32_t error_rate_increase = 50;  // most that native's error rate may be above legacy's: percentage
                                      // points, as hundredths (0.5 is 1.5 % against 1.0 %)
  std::optional<double> p50_ratio;    // most that native's p50 may be of legacy's; none: not judged
  std::optional<double> p99_ratio;
  double alpha = 0.05;  // most probable share of A/A rollouts that ever fail
  bool operator==(const Gate&) const = default;
};

// Who is told of each change of state: the url, the command, or both.
struct RolloutHook {
  std::string url;                                           // http or https; empty: none
  std::vector<std::pair<std::string, std::string>> headers;  // sent with it
  Secret secret;                                             // signs the body, HMAC-SHA256; empty: not signed
  std::vector<std::string> command;  // program (absolute) and arguments, no shell; empty: none
  Millis timeout = 10s;              // of one attempt
  uint32_t attempts = 5;             // with growing pauses between them
  bool operator==(const RolloutHook&) const = default;
};

struct Rollout {
  enum class OnFail { rollback, step_back, pause };
  std::string name;
  Target legacy;                                  // upstream or handler
  Target native;                                  // upstream or handler
  uint32_t percent = 0;                           // 0 to 10000; the start value, the live one wins
  std::string salt;                               // after loading never empty (the name)
  std::vector<ClientKey> sticky = {ClientKey{}};  // the first that is present
  bool fallback = true;
  uint32_t fallback_budget = 2000;  // fallbacks as a share of the requests, hundredths of a percent
  bool assign_cookie = false;
  std::optional<Force> force;
  std::vector<RolloutStep> steps;  // empty: no schedule, only orders change the percentage
  Millis soak = 0ms;               // after the last step
  std::optional<WallTime> start;   // of the first step; none: at once
  std::vector<Freeze> freeze;
  std::optional<Gate> gate;  // none: nothing is judged, steps advance by time alone
  OnFail on_fail = OnFail::rollback;
  std::optional<Rate> rollback_rate;  // percentage points per period, count never 0; none: at once
  std::optional<RolloutHook> on_event;
  Rate close_rate = {100, 1s};  // long-lived connections that are closed after a change; count 0: never
  Where where;
  bool operator==(const Rollout&) const = default;
};

// ---------------------------------------------------------------- routes

struct PathMatch {
  enum class Kind { exact, prefix, regex };
  Kind kind = Kind::prefix;
  // exact: "/batch". prefix: "/live/" for "/live/*", "/" for "/*". regex: RE2 syntax, without "~ ".
  // Never empty after loading.
  std::string value;
  bool operator==(const PathMatch&) const = default;
  std::string text() const;  // as written: "/batch", "/live/*", "~ ^/x$"
};

// headers = { X-Version = "2", X-Beta = true, X-Old = "~ ^1\\." }
struct HeaderMatch {
  enum class Kind { present, absent, equals, regex };
  std::string name;
  Kind kind = Kind::present;
  std::string value;  // for equals and regex
  bool operator==(const HeaderMatch&) const = default;
};

struct Rewrite {
  enum class Kind { prefix, regex };
  Kind kind = Kind::prefix;
  std::string regex;  // Kind::regex: the first match in the path is replaced
  // Kind::prefix: stands for the part that the route's path matched, its last "/" aside: "/new" and "/new/"
  // both make
  // "/new/x" of "/a/x" on a route "/a/*". Kind::regex: the replacement, with "$1" to "$9" and "$$".
  std::string to;
  bool operator==(const Rewrite&) const = default;
};

using HeaderField = std::pair<std::string, std::string>;

struct HeaderRules {
  std::vector<HeaderField> set;
  std::vector<HeaderField> add;
  std::vector<std::string> remove;
  bool empty() const { return set.empty() && add.empty() && remove.empty(); }
  bool operator==(const HeaderRules&) const = default;
};

struct Redirect {
  std::string to;  // URL or path; $scheme, $host (with its port), $path, $query and $request_uri are replaced
  uint32_t status = 302;
  bool operator==(const Redirect&) const = default;
};

struct Reply {
  uint32_t status = 200;
  std::string body;
  bool operator==(const Reply&) const = default;
};

// What requests are counted by.
struct LimitKey {
  enum class Kind { client, route, script };
  Kind kind = Kind::client;
  ClientKey client;  // for Kind::client
  bool operator==(const LimitKey&) const = default;
};

struct Limit {
  Rate rate;
  uint32_t burst = 0;
  LimitKey key;
  uint32_t concurrency = 0;  // requests of one key at the same time; 0 for no limit
  bool dry_run = false;      // only counts what would be refused
  bool operator==(const Limit&) const = default;
};

struct Route {
  // When a request may be sent once more: never, if it is idempotent (RFC 9110 section 9.2.2), or any
  // request.
  enum class Retry { off, idempotent, always };
  std::string name;  // for logs and metrics; after loading never empty (host and path) and unique
  PathMatch path;
  std::vector<std::string> hosts;    // lower case; "*.example.org" allowed; empty: any
  std::vector<std::string> methods;  // empty: any
  std::vector<HeaderMatch> headers;  // all must hold
  // Exactly one of the next three.
  std::optional<Target> target;
  std::optional<Redirect> redirect;
  std::optional<Reply> reply;
  uint64_t max_body = 10 * 1024 * 1024;  // 0: no limit
  Millis deadline = 60s;                 // 0: none; the default is 0 when stream is set
  std::optional<Rewrite> rewrite;
  HeaderRules request_headers;
  HeaderRules response_headers;
  Retry retry = Retry::idempotent;
  std::optional<Limit> limit;
  std::vector<Cidr> allow;  // empty: all; deny is asked first
  std::vector<Cidr> deny;
  bool stream = false;
  bool access_log = true;
  Where where;
  bool operator==(const Route&) const = default;
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
  bool daemon = false;
  std::string state_dir = "/var/lib/banyan";
  std::string run_dir = "/run/banyan";
  Millis shutdown_timeout = 30s;
  uint32_t worker_connections = 0;    // 0: from RLIMIT_NOFILE, less 10 percent
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
