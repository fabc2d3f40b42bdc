// What the TLS connections of one listener have in common: certificate, key, protocol versions, ciphers,
// ticket keys; or those to one server: whom to believe. <openssl/…> stays in the tls_*.cc files of this
// folder.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "config/schema.h"
#include "net/stream.h"

struct ssl_ctx_st;  // SSL_CTX

namespace banyan::net {

class TlsContext {
 public:
  // A server's side. Certificate chain (leaf first) and key are PEM in the FileRefs' content; no file is
  // opened. Errors name the file and say what is wrong: no PEM, encrypted key, key of another certificate,
  // weak key. Ciphers and groups follow Mozilla's "intermediate" (version 5.7) without DHE; ALPN is http/1.1.
  //
  // `ticket_secret`: bytes that only the processes of this installation know. Contexts with the same secret
  // and certificate accept each other's session tickets, so a client may resume at any worker. Without it
  // each context makes its own keys.
  static Result<TlsContext> make(const config::Tls& tls, std::string_view ticket_secret = {});

  // A client's side: servers must show a certificate of one of `authorities` (PEM; empty: those of the
  // system) for the name that is asked for. TLS 1.2 and 1.3, ALPN is http/1.1. Errors: no certificate among
  // the authorities, the system's cannot be read.
  static Result<TlsContext> make_client(std::string_view authorities);

  // Error when the certificate has expired or is not valid yet. Apart from make(), because a new
  // configuration should be refused then, while a worker that is replaced at night must go on with what it
  // was given.
  Result<void> check_dates(WallTime now) const;
  // When the certificate expires.
  WallTime not_after() const { return not_after_; }

  ssl_ctx_st* get() const { return context_.get(); }

 private:
  struct Free {
    void operator()(ssl_ctx_st* context) const;
  };
  TlsContext() = default;

  std::unique_ptr<ssl_ctx_st, Free> context_;
  std::string certificate_path_;
  WallTime not_before_{};
  WallTime not_after_{};
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
// address) that the certificate must be for, and goes into SNI if it is a name. on_writable tells the end of
// the attempt to connect, as for make_plain_stream; the first write begins the handshake, which answers
// `again` until it is done. A failed one is an error with failure() saying why.
std::unique_ptr<Stream> make_tls_client_stream(event::Loop& loop, int fd, const TlsContext& context,
                                               const std::string& host);

}  // namespace banyan::net
