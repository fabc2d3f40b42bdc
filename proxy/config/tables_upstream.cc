// [upstream.NAME].

#include <fmt/format.h>

#include <algorithm>

#include "config/formats.h"
#include "config/pem_check.h"
#include "config/tables.h"

namespace banyan::config {
namespace {

constexpr int64_t kMany = 1'000'000'000;

const Section<Server>& server_section() {
  static const Section<Server> section(
      "servers", "A server; an address alone is enough.",
      {field("address", &Server::address, address(),
             "\"127.0.0.1:3000\", \"[::1]:3000\", \"name.example:3000\" or \"unix:/run/node.sock\". Names "
             "are looked up again and again; each address they have is a server.")
           .required(),
       field("weight", &Server::weight, integer<uint32_t>(1, 1000),
             "Share of the requests, relative to the others."),
       field("backup", &Server::backup, flag(), "Used only while no other server can be."),
       field("max_connections", &Server::max_connections, integer<uint32_t>(0, 1'000'000),
             "Most requests under way at this server at the same time, counted over all workers; 0 for no "
             "limit. When all servers have theirs, requests wait as limits.pending and limits.queue say.")});
  return section;
}

// "address" or { address, weight, backup }.
Format<Server> server() {
  Format<Server> format;
  format.type = "server";
  format.read = [read = address().read](const Value& value, Server& server) {
    if (value.node().kind == Node::Kind::table) return server_section().read(value, &server);
    server.where = value.where();
    if (value.node().kind != Node::Kind::string) {
      return value.wrong_type("an address such as \"127.0.0.1:3000\" or a table { address, weight, backup }");
    }
    return read(value, server.address);
  };
  format.print = [](const Server& server) { return server_section().print_inline(&server); };
  format.section = &server_section();
  return format;
}

const Section<UpstreamTimeouts>& timeouts_section() {
  static const Section<UpstreamTimeouts> section(
      "timeouts", "How long servers may take. 0 switches a time-out off.",
      {field("connect", &UpstreamTimeouts::connect, duration(1ms),
             "To connect, TLS handshake included. Short, so that a dead server is noticed; 3 seconds survive "
             "one lost packet. Never "
             "0."),
       field("response", &UpstreamTimeouts::response, duration(),
             "From the end of the request to the head of the response. Answered by 504."),
       field("idle", &UpstreamTimeouts::idle, duration(),
             "Between two pieces of a body, in either direction."),
       field("tunnel", &UpstreamTimeouts::tunnel, duration(),
             "For WebSocket and other upgraded connections that are idle in both directions.")});
  return section;
}

const Section<UpstreamKeepalive>& keepalive_section() {
  static const Section<UpstreamKeepalive> section(
      "keepalive", "Idle connections to servers that are kept for the next request.",
      {field("idle", &UpstreamKeepalive::idle, duration(),
             "How long one is kept, unless the server says \"Keep-Alive: timeout=N\". Shorter than the 5 "
             "seconds of Node.js, so that Banyan closes first."),
       field("idle_max", &UpstreamKeepalive::idle_max, duration(),
             "The most that is believed of what a server says."),
       field("connections", &UpstreamKeepalive::connections, integer<uint32_t>(0, 100'000),
             "Most idle connections for each worker and server; 0 keeps none."),
       field("requests", &UpstreamKeepalive::requests, integer<uint32_t>(0, kMany),
             "Most requests on one connection; 0 for no limit.")});
  return section;
}

const Section<UpstreamLimits>& limits_section() {
  static const Section<UpstreamLimits> section(
      "limits", "What the group may use up, for each worker.",
      {field("connections", &UpstreamLimits::connections, integer<uint32_t>(1, 1'000'000),
             "Most open connections to the whole group."),
       field(
           "pending", &UpstreamLimits::pending, integer<uint32_t>(0, 1'000'000),
           "Most requests that wait for a connection, or for a server below its max_connections; one more is "
           "answered by 503."),
       field("queue", &UpstreamLimits::queue, duration(), "Longest wait for a connection. Answered by 503."),
       field("response_head", &UpstreamLimits::response_head, size(1024, 1 << 20),
             "Longest head of a response, which may have 100 fields. More is answered by 502.")});
  return section;
}

const Section<UpstreamRetry>& retry_section() {
  static const Section<UpstreamRetry> section(
      "retry",
      "Further attempts, where that is safe: the connection failed, or the request is idempotent and nothing "
      "was received. A kept connection that the server had closed meanwhile is replaced by a new one, which "
      "is "
      "no attempt that counts.",
      {field("attempts", &UpstreamRetry::attempts, integer<uint32_t>(0, 10),
             "After the first, each on another server if there is one; 0 for none."),
       field("budget", &UpstreamRetry::budget, percent(),
             "Most retries, as a percentage of the requests, so that retries never make an outage worse."),
       field(
           "backoff", &UpstreamRetry::backoff, duration(Millis(0), 1min),
           "Longest pause before an attempt on a server that was asked before, and before every attempt but "
           "the first two; doubled each time. The pause is random, from nothing to that, and ends before "
           "the deadline of the route or there is no further attempt."),
       field("backoff_max", &UpstreamRetry::backoff_max, duration(Millis(0), 1min),
             "The most it is doubled to.")},
      [](UpstreamRetry& retry, const Value& value) {
        keep_in_order(value, "backoff", retry.backoff, "backoff_max", retry.backoff_max);
      });
  return section;
}

Format<uint32_t> retry_after_status() {
  return checked<uint32_t>(integer<uint32_t>(0, 999), [](uint32_t status) {
    return status == 503 || status == 429 ? "" : "must be 503 or 429";
  });
}

const Section<Ejection>& ejection_section() {
  static const Section<Ejection> section(
      "ejection",
      "Passive health: a server that fails real requests is left out for a while. All workers count "
      "together.",
      {field("failures", &Ejection::failures, integer<uint32_t>(0, 1'000'000),
             "Failures in a row (connection errors, time-outs, 502, 503, 504) that eject a server; 0 for "
             "never."),
       field("time", &Ejection::time, duration(1ms),
             "How long it is left out the first time; twice as long the second time, three times the third."),
       field("time_max", &Ejection::time_max, duration(1ms), "The longest it is left out."),
       field("max_percent", &Ejection::max_percent, percent(),
             "Most of the group that is left out at the same time, in percent. The last server never is."),
       field(
           "retry_after", &Ejection::retry_after, list(retry_after_status()),
           "Answers with these statuses, 503 or 429, and Retry-After eject their server at once, for as long "
           "as it asks, but never longer than time_max. Add 429 only if the servers count all requests "
           "together: where each client has a limit of its own, one client above it would take servers "
           "away from all the others. []: Retry-After is not heeded.")},
      [](Ejection& ejection, const Value& value) {
        keep_in_order(value, "time", ejection.time, "time_max", ejection.time_max);
      });
  return section;
}

const Section<Breaker>& breaker_section() {
  static const Section<Breaker> section(
      "breaker",
      "Circuit breaker: when too many requests to the group fail (connection errors, time-outs, 502, 503, "
      "504), whichever server they went to, it opens, and requests are answered by 503 at once, with "
      "Retry-After. After a while some requests are let through as a trial. All workers share it. A rollout "
      "sends the share of a side whose breaker is open to the other one.",
      {field("failures", &Breaker::failures,
             checked<uint32_t>(percent(),
                               [](const uint32_t& value) { return value == 0 ? "must be above 0" : ""; }),
             "Share of failed requests that opens it, in percent."),
       field("requests", &Breaker::requests, integer<uint32_t>(1, 1'000'000),
             "Requests within the window, below which nothing is said."),
       field("window", &Breaker::window, duration(100ms, 1h), "How far back requests count."),
       field("time", &Breaker::time, duration(1ms, 1h),
             "How long it stays open the first time; doubled each time until all was well for time_max."),
       field("time_max", &Breaker::time_max, duration(1ms, 24h), "The longest it stays open."),
       field("trials", &Breaker::trials, integer<uint32_t>(1, 1000),
             "Requests that are let through then; it closes when so many have succeeded and opens again when "
             "one fails.")},
      [](Breaker& breaker, const Value& value) {
        keep_in_order(value, "time", breaker.time, "time_max", breaker.time_max);
      });
  return section;
}

const Section<Health>& health_section() {
  static const Section<Health> section(
      "health", "Active health: the controller asks each server at intervals.",
      {field("type", &Health::type,
             choice<Health::Type>({{"http", Health::Type::http}, {"tcp", Health::Type::tcp}}),
             "\"http\" sends a GET, and 2xx and 3xx are good; for \"tcp\" it is enough that the server "
             "accepts a "
             "connection."),
       field("path", &Health::path,
             text_or_none(checked<std::string>(
                 text(),
                 [](const std::string& value) { return value.starts_with('/') ? "" : "must begin with /"; })),
             "What to GET. Required for type = \"http\"."),
       field("host", &Health::host, text_or_none(),
             "The field Host of the probe. Empty: the server's address."),
       field("interval", &Health::interval, duration(100ms), "From one probe to the next."),
       field("timeout", &Health::timeout, duration(10ms), "For a whole probe."),
       field("fall", &Health::fall, integer<uint32_t>(1, 1000),
             "Bad probes in a row that take a server out."),
       field("rise", &Health::rise, integer<uint32_t>(1, 1000), "Good probes in a row that bring it back.")},
      [](Health& health, const Value& value) {
        keep_in_order(value, "timeout", health.timeout, "interval", health.interval);
        const bool http = !value.has("type") || value.at("type").node().string == "http";
        if (http && !value.has("path")) {
          value.error("needs path, what is to be asked for, or type = \"tcp\"");
        }
        for (const char* key : {"path", "host"}) {
          if (health.type == Health::Type::tcp && value.has(key)) {
            value.at(key).error("has no meaning for type = \"tcp\"");
          }
        }
      });
  return section;
}

const Section<UpstreamTls>& upstream_tls_section() {
  static const Section<UpstreamTls> section(
      "tls",
      "TLS to the servers: {} is enough. A server must show a certificate of an authority we believe, for "
      "the "
      "name that is asked for. Sessions are resumed.",
      {field("ca", &UpstreamTls::ca, file(),
             "PEM file of the authorities that are believed. Without it those of the system."),
       field("crl", &UpstreamTls::crl, file(), "PEM file of revoked certificates; only with ca."),
       field(
           "name", &UpstreamTls::name, text_or_none(),
           "The name that certificates must be for and that is asked for in SNI. Without it the host in the "
           "server's address; servers on unix sockets need it."),
       field("certificate", &UpstreamTls::certificate, file(),
             "PEM file with our own certificate, for servers that ask for one, and its chain after it."),
       field("key", &UpstreamTls::key, file(), "PEM file with its private key."),
       field("min_version", &UpstreamTls::min_version, tls_version(),
             "Oldest version of TLS that is spoken."),
       field("insecure", &UpstreamTls::insecure, flag(),
             "Believes any certificate: whoever is on the way can read and change everything.")},
      [](UpstreamTls& tls, const Value& value) {
        check_certificate_file(value.at("ca"), tls.ca);
        check_certificate_file(value.at("certificate"), tls.certificate);
        check_key_file(value.at("key"), tls.key);
        check_crl_file(value.at("crl"), tls.crl);
        check_certificate_pair(value);
        if (value.has("crl") && !value.has("ca")) value.at("crl").error("needs ca, whose list it is");
        if (tls.insecure && value.has("ca")) value.at("ca").error("has no meaning with insecure = true");
      });
  return section;
}

void check_tls(const Upstream& upstream, const Value& value) {
  if (!upstream.tls) return;
  if (upstream.tls->insecure) value.at("tls").warn("insecure: the servers' certificates are not checked");
  if (upstream.tls->insecure || !upstream.tls->name.empty()) return;
  for (const Server& server : upstream.servers) {
    if (server.address.kind == Address::Kind::unix_socket) {
      value.at("tls").error(
          fmt::format("needs name: the certificate of {} cannot be for a path", server.address.text()));
      return;
    }
  }
}

void check_servers(const Upstream& upstream, const Value& value) {
  const Value servers = value.at("servers");
  if (!value.has("servers") || servers.node().kind != Node::Kind::array) return;
  if (servers.node().items.empty()) servers.error("must have at least one server");
  // Of a list with errors nothing was kept.
  if (upstream.servers.empty()) return;
  for (size_t i = 0; i < upstream.servers.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      if (upstream.servers[i].address == upstream.servers[j].address) {
        servers.item(i).error(fmt::format("{} is in the list twice", upstream.servers[i].address.text()));
        break;
      }
    }
  }
  if (std::all_of(upstream.servers.begin(), upstream.servers.end(),
                  [](const Server& s) { return s.backup; })) {
    servers.error("must have a server that is not a backup");
  }
}

}  // namespace

const Section<Upstream>& upstream_section() {
  static const Section<Upstream> section(
      "upstream", "A group of servers that do the same.",
      {field("servers", &Upstream::servers, list(server(), true),
             "The servers: addresses, or tables where more is to be said.")
           .required(),
       field("balance", &Upstream::balance,
             choice<Upstream::Balance>({{"round_robin", Upstream::Balance::round_robin},
                                        {"least_conn", Upstream::Balance::least_conn},
                                        {"p2c", Upstream::Balance::p2c},
                                        {"hash", Upstream::Balance::hash}}),
             "How a server is chosen: in turn; the one with the fewest requests under way; the better of two "
             "random ones; or the same for the same key, moving few clients when servers come and go."),
       field("hash", &Upstream::hash, client_key(),
             "The key for balance = \"hash\": \"cookie:NAME\", \"header:NAME\" or \"client_ip\"."),
       field("tls", &Upstream::tls, optional(table(upstream_tls_section())),
             "Speak TLS with the servers. Without it plain HTTP."),
       field(
           "proxy_protocol", &Upstream::proxy_protocol,
           choice<ProxyProtocol>(
               {{"off", ProxyProtocol::off}, {"v1", ProxyProtocol::v1}, {"v2", ProxyProtocol::v2}}),
           "Begin each connection to a server, before TLS, with the header of the PROXY protocol in this "
           "version, as send-proxy and send-proxy-v2 of HAProxy and proxy_protocol of nginx's stream module "
           "do. It tells the client's address, the same as in \"client_ip\", and the address at which the "
           "client reached the listener; when one is IPv4 and the other IPv6, both as IPv6. For a client "
           "on a unix socket, and for the probes of health, it says that there are no addresses (v1 "
           "UNKNOWN, v2 LOCAL). A kept connection is used again only for requests of which the same is to be "
           "told, as a rule those of one connection of a client."),
       field("timeouts", &Upstream::timeouts, table(timeouts_section()), "Time-outs towards servers."),
       field("keepalive", &Upstream::keepalive, table(keepalive_section()), "Idle connections."),
       field("limits", &Upstream::limits, table(limits_section()), "Limits of the group."),
       field("retry", &Upstream::retry, table(retry_section()), "Further attempts."),
       field("ejection", &Upstream::ejection, table(ejection_section()), "Passive health."),
       field("breaker", &Upstream::breaker, optional(table(breaker_section())),
             "Circuit breaker. Without it none; {} has the defaults."),
       field("health", &Upstream::health, optional(table(health_section())),
             "Active health. Without it none."),
       field("slow_start", &Upstream::slow_start, duration(Millis(0), 1h),
             "How long a server that was ejected, unhealthy or taken out by order gets less than its weight "
             "says "
             "when it comes back: from a tenth to all of it. 0 for no such time; no effect with balance = "
             "\"hash\"."),
       field("resolve", &Upstream::resolve, duration(1s, 24h),
             "How often names of servers are looked up again.")},
      [](Upstream& upstream, const Value& value) {
        check_servers(upstream, value);
        check_tls(upstream, value);
        if (upstream.hash != ClientKey{} && upstream.balance != Upstream::Balance::hash) {
          value.at("hash").warn("has no effect without balance = \"hash\"");
        }
        if (upstream.slow_start > 0ms && upstream.balance == Upstream::Balance::hash) {
          value.at("slow_start").warn("has no effect with balance = \"hash\"");
        }
      });
  return section;
}

}  // namespace banyan::config
