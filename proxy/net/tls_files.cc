#include "net/tls_files.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include "net/tls_context.h"
#include "net/tls_error.h"

namespace banyan::net {
namespace {

// Mozilla's "intermediate" configuration, version 5.7, without the two DHE suites: they need parameters, are
// slow and let a client choose costly work. The second list is of TLS 1.3.
constexpr char kCiphers[] =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
constexpr char kCipherSuites[] = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";
constexpr char kGroups[] = "X25519:P-256:P-384";

using OwnedBio = std::unique_ptr<BIO, TlsFreer<BIO_free_all>>;
using OwnedCrl = std::unique_ptr<X509_CRL, TlsFreer<X509_CRL_free>>;

OwnedBio open_text(const config::FileRef& file) {
  return OwnedBio(BIO_new_mem_buf(file.content.data(), static_cast<int>(file.content.size())));
}

// OpenSSL asks for a pass phrase only when the key is encrypted.
int refuse_pass_phrase(char*, int, int, void* asked) {
  *static_cast<bool*>(asked) = true;
  return -1;
}

Result<void> check_match(const config::FileRef& certificate, const std::vector<OwnedX509>& chain,
                         const config::FileRef& key_file, EVP_PKEY* key) {
  for (size_t i = 0; i < chain.size(); ++i) {
    bool match = X509_check_private_key(chain[i].get(), key) == 1;
    ERR_clear_error();
    if (match && i == 0) return {};
    if (match) {
      return tls_file_error("certificate", certificate, "the certificate of the key must come first");
    }
  }
  return tls_file_error("key", key_file,
                        fmt::format("does not belong to the certificate in {}", certificate.path));
}

}  // namespace

std::string take_tls_error() {
  unsigned long first = ERR_get_error();
  ERR_clear_error();
  const char* reason = ERR_reason_error_string(first);
  return reason ? reason : "unknown error";
}

Error tls_file_error(std::string_view what, const config::FileRef& file, std::string_view why) {
  return proxy_error(fmt::format("{} {}: {}", what, file.path, why));
}

Result<std::vector<OwnedX509>> read_certificates(std::string_view what, const config::FileRef& file) {
  OwnedBio text = open_text(file);
  std::vector<OwnedX509> chain;
  while (X509* certificate = PEM_read_bio_X509(text.get(), nullptr, nullptr, nullptr)) {
    chain.emplace_back(certificate);
  }
  bool at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  std::string why = take_tls_error();
  if (!at_end) return tls_file_error(what, file, fmt::format("certificate {}: {}", chain.size() + 1, why));
  if (chain.empty()) return tls_file_error(what, file, "has no certificate in PEM form");
  return chain;
}

Result<OwnedKey> read_key(const config::FileRef& file) {
  OwnedBio text = open_text(file);
  bool encrypted = false;
  OwnedKey key(PEM_read_bio_PrivateKey(text.get(), nullptr, refuse_pass_phrase, &encrypted));
  std::string why = take_tls_error();
  if (encrypted) return tls_file_error("key", file, "is encrypted; nobody is there to type its pass phrase");
  if (!key && file.content.find("PRIVATE KEY-----") == std::string::npos) {
    return tls_file_error("key", file, "has no private key in PEM form");
  }
  if (!key) return tls_file_error("key", file, why);
  return key;
}

Result<void> use_certificate(SSL_CTX* context, const config::FileRef& certificate,
                             const std::vector<OwnedX509>& chain, const config::FileRef& key_file) {
  Result<OwnedKey> key = read_key(key_file);
  if (!key) return key.error();
  if (Result<void> match = check_match(certificate, chain, key_file, key->get()); !match) return match;
  bool used = SSL_CTX_use_certificate(context, chain[0].get()) == 1;
  for (size_t i = 1; used && i < chain.size(); ++i) {
    used = SSL_CTX_add1_chain_cert(context, chain[i].get()) == 1;
  }
  if (!used) return tls_file_error("certificate", certificate, take_tls_error());
  if (SSL_CTX_use_PrivateKey(context, key->get()) != 1)
    return tls_file_error("key", key_file, take_tls_error());
  return {};
}

Result<void> use_authorities(SSL_CTX* context, const config::FileRef& authorities,
                             const config::FileRef& crl) {
  X509_STORE* store = SSL_CTX_get_cert_store(context);
  Result<std::vector<OwnedX509>> chain = read_certificates("ca", authorities);
  if (!chain) return chain.error();
  for (const OwnedX509& authority : *chain) X509_STORE_add_cert(store, authority.get());
  ERR_clear_error();
  return crl.empty() ? Result<void>() : use_revocations(context, crl);
}

Result<void> use_revocations(SSL_CTX* context, const config::FileRef& crl) {
  X509_STORE* store = SSL_CTX_get_cert_store(context);
  OwnedBio text = open_text(crl);
  size_t count = 0;
  while (OwnedCrl list{PEM_read_bio_X509_CRL(text.get(), nullptr, nullptr, nullptr)}) {
    X509_STORE_add_crl(store, list.get());
    ++count;
  }
  bool at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  std::string why = take_tls_error();
  if (!at_end) return tls_file_error("crl", crl, why);
  if (count == 0) return tls_file_error("crl", crl, "has no revocation list in PEM form");
  X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK);
  return {};
}

bool set_common_protocol(SSL_CTX* context, bool only_tls1_3) {
  // Many peers close without close_notify; messages frame themselves, so nothing can be cut off unseen.
  SSL_CTX_set_options(context,
                      SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_IGNORE_UNEXPECTED_EOF);
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
  // One recv for a record instead of two: its five bytes of head would be read alone.
  SSL_CTX_set_read_ahead(context, 1);
  return SSL_CTX_set_min_proto_version(context, only_tls1_3 ? TLS1_3_VERSION : TLS1_2_VERSION) == 1 &&
         SSL_CTX_set_cipher_list(context, kCiphers) == 1 &&
         SSL_CTX_set_ciphersuites(context, kCipherSuites) == 1 &&
         SSL_CTX_set1_groups_list(context, kGroups) == 1;
}

}  // namespace banyan::net
