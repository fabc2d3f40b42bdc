#include "wire.h"

#include <netinet/tcp.h>
#include <openssl/err.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

namespace bench {

TlsClient::TlsClient(bool resume) : context_(SSL_CTX_new(TLS_client_method())), resume_(resume) {
  if (context_ == nullptr) die("SSL_CTX_new");
  SSL_CTX_set_verify(context_, SSL_VERIFY_NONE, nullptr);
  // Servers have their own order; all are to do the same work.
  SSL_CTX_set_ciphersuites(context_, "TLS_AES_128_GCM_SHA256");
  SSL_CTX_set_mode(context_, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_session_cache_mode(context_, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_set_app_data(context_, this);
  if (resume) SSL_CTX_sess_set_new_cb(context_, keep);
}

TlsClient::~TlsClient() {
  SSL_SESSION_free(session_);
  SSL_CTX_free(context_);
}

int TlsClient::keep(SSL* ssl, SSL_SESSION* session) {
  auto* self = static_cast<TlsClient*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
  SSL_SESSION_free(self->session_);
  self->session_ = session;
  return 1;  // it is ours now
}

SSL* TlsClient::open(int fd) {
  SSL* ssl = SSL_new(context_);
  if (ssl == nullptr || SSL_set_fd(ssl, fd) != 1) die("SSL_new");
  SSL_set_connect_state(ssl);
  if (resume_ && session_ != nullptr) {
    // A copy: OpenSSL uses a session of TLS 1.3 once, and not every server sends another ticket each time.
    SSL_SESSION* copy = SSL_SESSION_dup(session_);
    SSL_set_session(ssl, copy);
    SSL_SESSION_free(copy);
  }
  return ssl;
}

Wire::Wire(const Settings& settings, TlsClient* tls, size_t number)
    : fd_(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) {
  if (fd_ < 0) die("socket");
  const int on = 1;
  setsockopt(fd_, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
  setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  sockaddr_in source{};
  source.sin_family = AF_INET;
  source.sin_addr.s_addr = htonl(static_cast<uint32_t>(0x7f000002 + number % 8));
  if (bind(fd_, reinterpret_cast<sockaddr*>(&source), sizeof source) != 0) die("bind");
  if (connect(fd_, reinterpret_cast<const sockaddr*>(&settings.address), sizeof settings.address) != 0 &&
      errno != EINPROGRESS)
    die("connect");
  if (tls != nullptr) ssl_ = tls->open(fd_);
}

Wire::~Wire() {
  if (ssl_ != nullptr) {
    // A session counts as broken, and is not resumed, unless its connection was shut down.
    SSL_set_shutdown(ssl_, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(ssl_);
  }
  close(fd_);
}

Wire::Result Wire::send(std::string_view bytes) {
  if (ssl_ != nullptr) return tls_result(SSL_write(ssl_, bytes.data(), static_cast<int>(bytes.size())));
  const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  if (sent >= 0) return {State::done, static_cast<size_t>(sent)};
  return {errno == EAGAIN || errno == ENOTCONN ? State::blocked : State::closed};
}

Wire::Result Wire::receive(std::span<char> space) {
  if (ssl_ != nullptr) return tls_result(SSL_read(ssl_, space.data(), static_cast<int>(space.size())));
  const ssize_t got = recv(fd_, space.data(), space.size(), 0);
  if (got > 0) return {State::done, static_cast<size_t>(got)};
  return {got < 0 && (errno == EAGAIN || errno == ENOTCONN) ? State::blocked : State::closed};
}

Wire::Result Wire::tls_result(int outcome) {
  if (outcome > 0) return {State::done, static_cast<size_t>(outcome)};
  const int error = SSL_get_error(ssl_, outcome);
  // SSL_ERROR_SYSCALL with ENOTCONN: the connection is not there yet.
  const bool blocked = error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ||
                       (error == SSL_ERROR_SYSCALL && errno == ENOTCONN);
  ERR_clear_error();
  return {blocked ? State::blocked : State::closed};
}

}  // namespace bench
