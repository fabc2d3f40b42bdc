// [client] and [[listener]].

#include <fmt/format.h>

#include "config/formats.h"
#include "config/tables.h"

namespace banyan::config {
namespace {

constexpr int64_t kMany = 1'000'000'000;

// ---------------------------------------------------------------- client

const Section<ClientTimeouts>& client_timeouts_section() {
  static const Section<ClientTimeouts> section(
      "timeouts", "How long clients may take. 0 switches a time-out off.",
      {field("header", &ClientTimeouts::header, duration(),
             "For a whole request head, from its first byte. Answered by 408."),
       field("body", &ClientTimeouts::body, duration(),
             "Between two pieces of a request body. Answered by 408."),
       field("write", &ClientTimeouts::write, duration(),
             "Without progress while an answer waits for the client. The connection is reset."),
       field("keepalive", &ClientTimeouts::keepalive, duration(),
             "For an idle connection between two requests. Longer than the 60 seconds of common load "
             "balancers, so that they close first."),
       field("keepalive_age", &ClientTimeouts::keepalive_age, duration(),
             "After this age a connection is closed at the end of the request under way."),
       field("tls_handshake", &ClientTimeouts::tls_handshake, duration(),
             "From accepting a connection to the end of the TLS handshake; the same for the PROXY header."),
       field("tunnel", &ClientTimeouts::tunnel, duration(),
             "For WebSocket and other upgraded connections that are idle in both directions.")});
  return section;
}

const Section<ClientLimits>& client_limits_section() {
  static const Section<ClientLimits> section(
      "limits", "How much clients may send.",
      {field("head", &ClientLimits::head, size(1024, 1 << 20),
             "Longest request head, request line and fields together. Answered by 431."),
       field("line", &ClientLimits::line, size(256, 1 << 20),
             "Longest request line, answered by 414, and longest field, answered by 431."),
       field("fields", &ClientLimits::fields, integer<uint32_t>(1, 10'000), "Most fields in a head."),
       field("keepalive_requests", &ClientLimits::keepalive_requests, integer<uint32_t>(0, kMany),
             "Most requests on one connection; 0 for no limit."),
       field("body_rate", &ClientLimits::body_rate, size(),
             "Bytes a second that a request body must arrive with on average; 0 for no minimum."),
       field("body_rate_after", &ClientLimits::body_rate_after, duration(),
             "How long a body may take before its rate is looked at.")},
      [](ClientLimits& limits, const Value& value) {
        if (limits.line > limits.head) value.at("line").error("must not be above limits.head");
      });
  return section;
}

// ---------------------------------------------------------------- listener

// Cheap checks that tell a key from a certificate; the TLS library has the last word.
void check_pem(const Value& value, const FileRef& file, std::string_view wanted, std::string_view what) {
  if (!file.empty() && file.content.find(wanted) == std::string::npos) {
    value.error(fmt::format("{} has no {} in PEM form", file.path, what));
  }
}

const Section<Tls>& tls_section() {
  static const Section<Tls> section(
      "tls", "TLS on this listener.",
      {field("certificate", &Tls::certificate, file(),
             "PEM file with the certificate first and its chain after it.")
           .required(),
       field("key", &Tls::key, file(), "PEM file with the private key.").required(),
       field("min_version", &Tls::min_version,
             choice<Tls::Version>({{"1.2", Tls::Version::tls1_2}, {"1.3", Tls::Version::tls1_3}}),
             "Oldest version of TLS that is spoken.")},
      [](Tls& tls, const Value& value) {
        check_pem(value.at("certificate"), tls.certificate, "-----BEGIN CERTIFICATE-----", "certificate");
        check_pem(value.at("key"), tls.key, "PRIVATE KEY-----", "private key");
      });
  return section;
}

}  // namespace

const Section<Client>& client_section() {
  static const Section<Client> section(
      "client", "Time-outs and limits towards clients, for all listeners.",
      {field("timeouts", &Client::timeouts, table(client_timeouts_section()), "Time-outs towards clients."),
       field("limits", &Client::limits, table(client_limits_section()), "Limits for clients.")});
  return section;
}

const Section<Listener>& listener_section() {
  static const Section<Listener> section(
      "listener", "An address to accept connections on. At least one is needed.",
      {field("address", &Listener::address, listen_address(),
             "\"0.0.0.0:80\", \"[::]:443\" or \"unix:/run/x.sock\". Port 0 lets the kernel choose.")
           .required(),
       field("tls", &Listener::tls, optional(table(tls_section())),
             "Speak TLS with this certificate and key."),
       field("proxy_protocol", &Listener::proxy_protocol, flag(),
             "Each connection begins with the header of the PROXY protocol, version 1 or 2, which tells the "
             "client's address. Whoever can connect can claim any address."),
       field("backlog", &Listener::backlog, integer<uint32_t>(1, 65535),
             "Connections that the kernel holds until they are accepted; net.core.somaxconn is the upper "
             "bound.")});
  return section;
}

}  // namespace banyan::config
