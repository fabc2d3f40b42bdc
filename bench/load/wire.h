// A connection that never blocks, plain or TLS.
#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <span>
#include <string_view>

#include "settings.h"

namespace bench {

// The client's side of TLS: no verification, and the last session when sessions are to be resumed.
class TlsClient {
 public:
  explicit TlsClient(bool resume);
  ~TlsClient();
  TlsClient(const TlsClient&) = delete;
  SSL* open(int fd);

 private:
  static int keep(SSL* ssl, SSL_SESSION* session);

  SSL_CTX* context_;
  SSL_SESSION* session_ = nullptr;
  bool resume_;
};

class Wire {
 public:
  // What a call came to; `size` bytes went over when it is `done`.
  enum class State { done, blocked, closed };
  struct Result {
    State state;
    size_t size = 0;
  };

  // `tls` may be null. `number` spreads connections over source addresses, which have 28,000 ports each.
  Wire(const Settings& settings, TlsClient* tls, size_t number);
  ~Wire();
  Wire(const Wire&) = delete;

  int fd() const { return fd_; }
  bool resumed() const { return ssl_ && SSL_session_reused(ssl_) == 1; }
  Result send(std::string_view bytes);
  Result receive(std::span<char> space);

 private:
  Result tls_result(int outcome);

  int fd_;
  SSL* ssl_ = nullptr;
};

}  // namespace bench
