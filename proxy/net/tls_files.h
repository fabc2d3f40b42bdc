// Certificates, keys, authorities and revocation lists as configurations have them: PEM bytes with the path
// they came from. Every error names what it is, the file, and what is wrong with it. For tls_*.cc only:
// OpenSSL's types are no part of other headers.
#pragma once

#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <memory>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "config/values.h"

namespace banyan::net {

template <auto Function>
struct TlsFreer {
  template <class T>
  void operator()(T* object) const {
    Function(object);
  }
};
using OwnedX509 = std::unique_ptr<X509, TlsFreer<X509_free>>;
using OwnedContext = std::unique_ptr<SSL_CTX, TlsFreer<SSL_CTX_free>>;
using OwnedKey = std::unique_ptr<EVP_PKEY, TlsFreer<EVP_PKEY_free>>;

// "certificate /etc/cert.pem: has expired".
Error tls_file_error(std::string_view what, const config::FileRef& file, std::string_view why);

// All certificates of a file, in order; at least one.
Result<std::vector<OwnedX509>> read_certificates(std::string_view what, const config::FileRef& file);
Result<OwnedKey> read_key(const config::FileRef& file);

// Gives a context certificate chain (leaf first) and key, which must belong together.
Result<void> use_certificate(SSL_CTX* context, const config::FileRef& certificate,
                             const std::vector<OwnedX509>& chain, const config::FileRef& key);

// Whom a context believes: the certificates of `authorities`, and, if there is one, the revocation list.
Result<void> use_authorities(SSL_CTX* context, const config::FileRef& authorities,
                             const config::FileRef& crl);

// What clients and servers of TLS have in common here: suites, groups, and how buffers are used.
bool set_common_protocol(SSL_CTX* context, bool only_tls1_3);

}  // namespace banyan::net
