// What a configuration says of clients: listeners, TLS, time-outs, limits; see schema.h.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "config/values.h"

namespace banyan::config {

using namespace std::chrono_literals;  // NOLINT: as in schema.h

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

}  // namespace banyan::config
