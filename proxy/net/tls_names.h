// Which certificate is shown to a client, by the name it asks for (SNI, RFC 6066 section 3). For tls_*.cc
// only.
#pragma once

#include <openssl/ssl.h>

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "net/tls_files.h"

namespace banyan::net {

// The DNS names of a certificate, lower case: subjectAltName, else the common name (RFC 9525 wants the
// former).
std::vector<std::string> names_of(const X509* certificate);

class TlsNames {
 public:
  explicit TlsNames(bool refuse_unknown) : refuse_unknown_(refuse_unknown) {}

  // The context is for these names: "a.example", "*.example". The first one that has a name keeps it.
  void add(const std::vector<std::string>& names, SSL_CTX* context);
  // Exact names before wildcards, which stand for one label (RFC 9525 section 6.3); null if there is none.
  SSL_CTX* find(std::string_view name) const;

  // Makes `first`, one of the contexts, ask `names`, and keeps that as long as the context lives.
  static void attach(std::unique_ptr<TlsNames> names, SSL_CTX* first);

 private:
  static int on_name(SSL* connection, int* alert, void* self);
  std::map<std::string, SSL_CTX*, std::less<>> contexts_;
  std::vector<OwnedContext> kept_;  // those of the map; not the one that keeps this
  bool refuse_unknown_;
};

}  // namespace banyan::net
