// The client's side of TLS: whom to believe, who we are, and sessions to resume.
#include <openssl/err.h>

#include "net/tls_context.h"
#include "net/tls_error.h"
#include "net/tls_files.h"

namespace banyan::net {
namespace {

// With its length before it (RFC 7301 section 3.1).
constexpr unsigned char kProtocol[] = "\x08http/1.1";

// Where a connection finds the place for its session.
int session_index() {
  static const int index = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return index;
}

}  // namespace

TlsSession::~TlsSession() { SSL_SESSION_free(session_); }

// Copies go in and out: OpenSSL spoils the session of a connection that does not end in order.
void TlsSession::attach(ssl_st* connection) {
  if (SSL_SESSION* copy = session_ ? SSL_SESSION_dup(session_) : nullptr) {
    SSL_set_session(connection, copy);
    SSL_SESSION_free(copy);
  }
  SSL_set_ex_data(connection, session_index(), this);
}

// OpenSSL has a new session, of which we keep the last: the tickets of TLS 1.3 come one after the other.
int TlsSession::on_new_session(ssl_st* connection, ssl_session_st* session) {
  auto* place = static_cast<TlsSession*>(SSL_get_ex_data(connection, session_index()));
  if (!place) return 0;
  SSL_SESSION_free(place->session_);
  place->session_ = SSL_SESSION_dup(session);
  return 0;  // the given one is not kept
}

Result<TlsContext> TlsContext::make_client(const config::UpstreamTls& tls) {
  ERR_clear_error();
  TlsContext made;
  made.context_.reset(SSL_CTX_new(TLS_client_method()));
  SSL_CTX* context = made.context_.get();
  if (!context || !set_common_protocol(context, tls.min_version == config::Tls::Version::tls1_3) ||
      SSL_CTX_set_alpn_protos(context, kProtocol, sizeof kProtocol - 1) != 0) {
    return proxy_error("tls: " + take_tls_error());
  }
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(context, TlsSession::on_new_session);
  SSL_CTX_set_verify(context, tls.insecure ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, nullptr);
  if (!tls.ca.empty()) {
    if (Result<void> used = use_authorities(context, tls.ca, tls.crl); !used) return used.error();
  } else if (!tls.insecure && SSL_CTX_set_default_verify_paths(context) != 1) {
    return proxy_error("tls: the system's certificate authorities: " + take_tls_error());
  }
  if (!tls.certificate.empty()) {
    Result<std::vector<OwnedX509>> chain = read_certificates("certificate", tls.certificate);
    if (!chain) return chain.error();
    if (Result<void> used = use_certificate(context, tls.certificate, *chain, tls.key); !used) {
      return used.error();
    }
    made.note_certificate(tls.certificate.path, (*chain)[0].get());
  }
  return made;
}

}  // namespace banyan::net
