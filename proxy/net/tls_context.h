// What the TLS connections of one listener have in common: certificate, key, protocol versions, ciphers,
// ticket keys; or those to one server: whom to believe. <openssl/…> stays in the tls_*.cc files of this
// folder.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "config/schema.h"
#include "net/stream.h"
#include "shm/ticket_keys.h"

struct ssl_ctx_st;      // SSL_CTX
struct ssl_st;          // SSL
struct ssl_session_st;  // SSL_SESSION
struct x509_st;         // X509

namespace banyan::net {

// The keys that tickets are sealed with, as one process sees them.
class TlsTicketKeys {
 public:
  explicit TlsTicketKeys(const shm::Cell<shm::TicketKeys>& cell) : cell_(cell) {}
  // As they are now; the reference is good until the next call.
  const shm::TicketKeys& current();

 private:
  const shm::Cell<shm::TicketKeys>& cell_;
  shm::TicketKeys keys_;
  uint64_t sequence_ = 0;
};

// A fresh one, of random bytes.
shm::TicketKey make_ticket_key();

class TlsContext {
 public:
  // How long before its end a certificate is warned of.
  static constexpr auto kWarnAhead = std::chrono::days(21);

  // A server's side. Chains (leaf first), keys, authorities are PEM in the FileRefs' content; no file is
  // opened. Errors name the file and say what is wrong: no PEM, encrypted key, key of another certificate,
  // weak key, an OCSP response about something else. Ciphers and groups follow Mozilla's "intermediate"
  // (version 5.7) without DHE, in its order; ALPN is http/1.1. With several certificates the client's SNI
  // chooses.
  //
  // Contexts with the same ticket keys and the same settings accept each other's sessions, so a client may
  // resume at any worker and after reloads. `ticket_keys` outlives all connections; without it each context
  // makes its own keys.
  static Result<TlsContext> make(const config::Tls& tls, TlsTicketKeys* ticket_keys = nullptr);

  // A client's side: servers must show a certificate of one of `tls.ca` (empty: of the system's authorities)
  // for the name that is asked for, and get ours if there is one. TLS 1.2 and 1.3, ALPN is http/1.1. Errors
  // name the file and say what is wrong with it.
  static Result<TlsContext> make_client(const config::UpstreamTls& tls);

  // Our own certificates, the first one first; a client may have none.
  struct Certificate {
    std::string path;
    WallTime not_before{};
    WallTime not_after{};
    WallTime ocsp_until{};  // of the OCSP response that goes with it; max(): there is none, or no end
  };
  const std::vector<Certificate>& certificates() const { return certificates_; }
  // Error when one of them has expired or is not valid yet. Apart from make(), because a new configuration
  // should be refused then, while a worker that is replaced at night must go on with what it was given.
  Result<void> check_dates(WallTime now) const;
  // What will be wrong soon: certificates that end within kWarnAhead, OCSP responses that are too old.
  std::vector<std::string> warnings(WallTime now) const;

  ssl_ctx_st* get() const { return context_.get(); }

 private:
  struct Free {
    void operator()(ssl_ctx_st* context) const;
  };
  using Pointer = std::unique_ptr<ssl_ctx_st, Free>;
  TlsContext() = default;
  Result<Pointer> make_one(const config::Tls& tls, const config::Certificate& certificate,
                           TlsTicketKeys* ticket_keys, std::vector<std::string>& names);
  void note_certificate(const std::string& path, const x509_st* certificate);

  Pointer context_;
  std::vector<Certificate> certificates_;
};

// From now on the context believes no certificate that a list in `crl` (PEM) revokes, and no authority
// without one. For contexts of others; ours do it by themselves.
Result<void> use_revocations(ssl_ctx_st* context, const config::FileRef& crl);

// The last session with one server, so that the next connection to it need not shake hands in full (RFC 8446
// section 2.2). For connections of one context to one server only: the name is not checked again.
class TlsSession {
 public:
  TlsSession() = default;
  ~TlsSession();
  TlsSession(const TlsSession&) = delete;
  TlsSession& operator=(const TlsSession&) = delete;
  bool empty() const { return !session_; }

  // For tls_stream.cc: the connection begins with the session, if there is one, and leaves its own here.
  void attach(ssl_st* connection);

 private:
  friend class TlsContext;
  static int on_new_session(ssl_st* connection, ssl_session_st* session);
  ssl_session_st* session_ = nullptr;
};

// The server's end of a TLS connection. Takes over the descriptor (connected, non-blocking). The context may
// die before the stream.
//
// The handshake happens inside read(), which answers `again` until it is done (handshake_done(),
// tls_protocol()); a failed one is an error with failure() saying why. No write is taken before. When the
// client spoke plain HTTP, read() gives an error and speaks_plain_http() is true: from then on the stream
// reads and writes plain bytes, so that the caller can answer 400 (as nginx does: "The plain HTTP request was
// sent to HTTPS port").
std::unique_ptr<Stream> make_tls_stream(event::Loop& loop, int fd, const TlsContext& context);

// The client's end of a TLS connection, over a socket that is connecting or connected. `host` is the name (or
// address) that the certificate must be for, and goes into SNI if it is a name; empty only for contexts that
// check nothing. on_writable tells the end of the attempt to connect, as for make_plain_stream; the first
// write begins the handshake, which answers `again` until it is done. A failed one is an error with failure()
// saying why. `session` is where the server's sessions are kept; may be null.
std::unique_ptr<Stream> make_tls_client_stream(event::Loop& loop, int fd, const TlsContext& context,
                                               const std::string& host,
                                               std::shared_ptr<TlsSession> session = nullptr);

}  // namespace banyan::net
