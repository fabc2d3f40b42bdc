// [client] and [[listener]].

#include <fmt/format.h>

#include "config/formats.h"
#include "config/pem_check.h"
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
             "How long a body may take before its rate is looked at."),
       field("response_rate", &ClientLimits::response_rate, size(),
             "Bytes a second that a client must take an answer with on average, while bytes wait for it; 0 "
             "for no "
             "minimum. Who is slower is reset."),
       field("response_rate_after", &ClientLimits::response_rate_after, duration(),
             "How long bytes may have waited for the client before its rate is looked at."),
       field(
           "connections", &ClientLimits::connections, integer<uint32_t>(0, 32'000),
           "Most connections of one address at the same time, over all workers; one more is closed at once. "
           "Peers in trusted_proxies are not counted. 0 for no limit."),
       field("handshakes", &ClientLimits::handshakes, rate_or_off(),
             "New TLS connections of one address, over all workers: so many at once, and then at this pace. "
             "One more is closed before anything is computed for it, and counted in "
             "banyan_tls_handshakes_refused_total. Peers in trusted_proxies are not counted."),
       field("handshakes_total", &ClientLimits::handshakes_total, rate_or_off(),
             "New TLS connections of all addresses together.")},
      [](ClientLimits& limits, const Value& value) {
        keep_in_order(value, "line", limits.line, "head", limits.head);
      });
  return section;
}

// ---------------------------------------------------------------- listener

void check_certificate(const Value& value, const Certificate& certificate) {
  check_certificate_file(value.at("certificate"), certificate.certificate);
  check_key_file(value.at("key"), certificate.key);
}

const Section<Certificate>& certificate_section() {
  static const Section<Certificate> section(
      "certificates", "A further certificate, for the names that stand in it.",
      {field("certificate", &Certificate::certificate, file(),
             "PEM file with the certificate first and its chain after it.")
           .required(),
       field("key", &Certificate::key, file(), "PEM file with its private key.").required(),
       field("ocsp", &Certificate::ocsp, file(),
             "File with an OCSP response about it (DER), handed to clients that ask.")},
      [](Certificate& certificate, const Value& value) { check_certificate(value, certificate); });
  return section;
}

void check_verify(const Tls& tls, const Value& value) {
  check_certificate_file(value.at("ca"), tls.ca);
  check_crl_file(value.at("crl"), tls.crl);
  if (tls.verify != Tls::Verify::off && !value.has("ca")) {
    value.at("verify").error("needs ca, who may sign the certificates of clients");
  }
  if (tls.verify != Tls::Verify::off) return;
  for (const char* key : {"ca", "crl"}) {
    if (value.has(key) && !value.has("verify")) value.at(key).warn("has no effect without verify");
  }
}

const Section<Tls>& tls_section() {
  static const Section<Tls> section(
      "tls",
      "TLS on this listener. The files are read again when they change, without a reload being asked for.",
      {field<Tls, FileRef>("certificate", &Tls::certificate, file(),
                           "PEM file with the certificate first and its chain after it.")
           .required(),
       field<Tls, FileRef>("key", &Tls::key, file(), "PEM file with the private key.").required(),
       field<Tls, FileRef>(
           "ocsp", &Tls::ocsp, file(),
           "File with an OCSP response about the certificate (DER), handed to clients that ask."),
       field(
           "certificates", &Tls::more, list(table(certificate_section())),
           "Further certificates. The one whose names have the name that the client asks for (SNI) is shown, "
           "exact names before wildcards; else the one above."),
       field("unknown_names", &Tls::unknown_names,
             choice<Tls::UnknownNames>(
                 {{"serve", Tls::UnknownNames::serve}, {"refuse", Tls::UnknownNames::refuse}}),
             "What clients get that ask for a name no certificate has, or for none: the first certificate, "
             "or the "
             "alert unrecognized_name."),
       field("verify", &Tls::verify,
             choice<Tls::Verify>({{"off", Tls::Verify::off},
                                  {"optional", Tls::Verify::optional},
                                  {"required", Tls::Verify::required}}),
             "Whether clients have to show a certificate. Its subject goes to upstreams in X-Client-Subject, "
             "to "
             "scripts as request.client_subject, and to the access log. With \"optional\" a client may have "
             "none, "
             "but not a wrong one."),
       field("ca", &Tls::ca, file(), "PEM file of the authorities that may sign certificates of clients."),
       field("crl", &Tls::crl, file(), "PEM file of revoked certificates of clients."),
       field("min_version", &Tls::min_version, tls_version(), "Oldest version of TLS that is spoken.")},
      [](Tls& tls, const Value& value) {
        check_certificate(value, tls);
        check_verify(tls, value);
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

const Section<Overload>& overload_section() {
  static const Section<Overload> section(
      "overload",
      "When a worker has too little of something, it answers new requests by 503 with Retry-After; what is "
      "under way goes on. banyan_overload_shed_total says why.",
      {field("loop_lag", &Overload::loop_lag, duration(),
             "Turns of the event loop that take so long, one after the other. 0 for never."),
       field("descriptors", &Overload::descriptors, percent(),
             "Share of the descriptors a process may have that are in use. 0 for never."),
       field("memory", &Overload::memory, size(),
             "Resident memory that a worker has for itself, after what it can spare was given back to the "
             "system. 0 for never.")});
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
