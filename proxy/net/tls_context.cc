#include "net/tls_context.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include <array>
#include <ctime>
#include <vector>

#include "net/tls_error.h"

namespace banyan::net {
namespace {

// Mozilla's "intermediate" configuration, version 5.7, without the two DHE suites: they need parameters, are
// slow and let a client choose costly work.
constexpr char kCiphers[] =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
constexpr char kGroups[] = "X25519:P-256:P-384";
// In the order of our preference, each with its length before it (RFC 7301 section 3.1).
constexpr unsigned char kProtocols[] = "\x08http/1.1\x08http/1.0";

template <auto Function>
struct Freer {
  template <class T>
  void operator()(T* object) const {
    Function(object);
  }
};
using OwnedBio = std::unique_ptr<BIO, Freer<BIO_free_all>>;
using OwnedX509 = std::unique_ptr<X509, Freer<X509_free>>;
using OwnedKey = std::unique_ptr<EVP_PKEY, Freer<EVP_PKEY_free>>;

Error file_error(std::string_view what, const config::FileRef& file, std::string_view why) {
  return proxy_error(fmt::format("{} {}: {}", what, file.path, why));
}

OwnedBio open_text(const config::FileRef& file) {
  return OwnedBio(BIO_new_mem_buf(file.content.data(), static_cast<int>(file.content.size())));
}

// All certificates of a file, in order. Errors if there is none or one is broken.
Result<std::vector<OwnedX509>> read_chain(const config::FileRef& file) {
  OwnedBio text = open_text(file);
  std::vector<OwnedX509> chain;
  while (X509* certificate = PEM_read_bio_X509(text.get(), nullptr, nullptr, nullptr)) {
    chain.emplace_back(certificate);
  }
  bool at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  std::string why = take_tls_error();
  if (!at_end)
    return file_error("certificate", file, fmt::format("certificate {}: {}", chain.size() + 1, why));
  if (chain.empty()) return file_error("certificate", file, "has no certificate in PEM form");
  return chain;
}

// OpenSSL asks for a pass phrase only when the key is encrypted.
int refuse_pass_phrase(char*, int, int, void* asked) {
  *static_cast<bool*>(asked) = true;
  return -1;
}

Result<OwnedKey> read_key(const config::FileRef& file) {
  OwnedBio text = open_text(file);
  bool encrypted = false;
  OwnedKey key(PEM_read_bio_PrivateKey(text.get(), nullptr, refuse_pass_phrase, &encrypted));
  std::string why = take_tls_error();
  if (encrypted) return file_error("key", file, "is encrypted; nobody is there to type its pass phrase");
  if (!key && file.content.find("PRIVATE KEY-----") == std::string::npos) {
    return file_error("key", file, "has no private key in PEM form");
  }
  if (!key) return file_error("key", file, why);
  return key;
}

Result<void> check_match(const config::Tls& tls, const std::vector<OwnedX509>& chain, EVP_PKEY* key) {
  for (size_t i = 0; i < chain.size(); ++i) {
    bool match = X509_check_private_key(chain[i].get(), key) == 1;
    ERR_clear_error();
    if (match && i == 0) return {};
    if (match)
      return file_error("certificate", tls.certificate, "the server's own certificate must come first");
  }
  return file_error("key", tls.key,
                    fmt::format("does not belong to the certificate in {}", tls.certificate.path));
}

WallTime wall_time(const ASN1_TIME* time) {
  std::tm utc{};
  ASN1_TIME_to_tm(time, &utc);
  return std::chrono::system_clock::from_time_t(timegm(&utc));
}

int choose_protocol(SSL*, const unsigned char** out, unsigned char* out_size, const unsigned char* offered,
                    unsigned offered_size, void*) {
  unsigned char* chosen = nullptr;
  if (SSL_select_next_proto(&chosen, out_size, kProtocols, sizeof kProtocols - 1, offered, offered_size) !=
      OPENSSL_NPN_NEGOTIATED) {
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  }
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

// 80 bytes, in OpenSSL's order: the keys' name, the HMAC key, the AES key.
bool set_ticket_keys(SSL_CTX* context, std::string_view secret, const config::FileRef& certificate) {
  std::array<unsigned char, 128> keys;
  for (unsigned char half : {0, 1}) {
    std::unique_ptr<EVP_MD_CTX, Freer<EVP_MD_CTX_free>> digest(EVP_MD_CTX_new());
    if (!digest || EVP_DigestInit_ex(digest.get(), EVP_sha512(), nullptr) != 1 ||
        EVP_DigestUpdate(digest.get(), &half, 1) != 1 ||
        EVP_DigestUpdate(digest.get(), secret.data(), secret.size()) != 1 ||
        EVP_DigestUpdate(digest.get(), certificate.content.data(), certificate.content.size()) != 1 ||
        EVP_DigestFinal_ex(digest.get(), keys.data() + 64 * half, nullptr) != 1) {
      return false;
    }
  }
  return SSL_CTX_set_tlsext_ticket_keys(context, keys.data(), 80) == 1;
}

bool set_protocol(SSL_CTX* context, const config::Tls& tls) {
  int version = tls.min_version == config::Tls::Version::tls1_3 ? TLS1_3_VERSION : TLS1_2_VERSION;
  // Many clients close without close_notify; requests frame themselves, so nothing can be cut off unseen.
  SSL_CTX_set_options(context,
                      SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_IGNORE_UNEXPECTED_EOF);
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
  // One recv for a record instead of two: its five bytes of head would be read alone.
  SSL_CTX_set_read_ahead(context, 1);
  // Tickets keep the session at the client; a cache here would be one per worker and seldom be asked.
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_alpn_select_cb(context, choose_protocol, nullptr);
  return SSL_CTX_set_min_proto_version(context, version) == 1 &&
         SSL_CTX_set_cipher_list(context, kCiphers) == 1 && SSL_CTX_set1_groups_list(context, kGroups) == 1;
}

bool set_certificate(SSL_CTX* context, std::vector<OwnedX509>& chain, EVP_PKEY* key) {
  if (SSL_CTX_use_certificate(context, chain[0].get()) != 1) return false;
  for (size_t i = 1; i < chain.size(); ++i) {
    if (SSL_CTX_add1_chain_cert(context, chain[i].get()) != 1) return false;
  }
  return SSL_CTX_use_PrivateKey(context, key) == 1;
}

std::string date_text(WallTime time) { return fmt::format("{:%Y-%m-%d %H:%M:%S} UTC", fmt::gmtime(time)); }

}  // namespace

std::string take_tls_error() {
  unsigned long first = ERR_get_error();
  ERR_clear_error();
  const char* reason = ERR_reason_error_string(first);
  return reason ? reason : "unknown error";
}

void TlsContext::Free::operator()(ssl_ctx_st* context) const { SSL_CTX_free(context); }

Result<TlsContext> TlsContext::make(const config::Tls& tls, std::string_view ticket_secret) {
  ERR_clear_error();
  Result<std::vector<OwnedX509>> chain = read_chain(tls.certificate);
  if (!chain) return chain.error();
  Result<OwnedKey> key = read_key(tls.key);
  if (!key) return key.error();
  Result<void> match = check_match(tls, *chain, key->get());
  if (!match) return match.error();

  TlsContext made;
  made.context_.reset(SSL_CTX_new(TLS_server_method()));
  SSL_CTX* context = made.context_.get();
  if (!context || !set_protocol(context, tls)) return proxy_error("tls: " + take_tls_error());
  if (!set_certificate(context, *chain, key->get())) {
    return file_error("certificate", tls.certificate, take_tls_error());
  }
  if (!ticket_secret.empty() && !set_ticket_keys(context, ticket_secret, tls.certificate)) {
    return proxy_error("tls: ticket keys: " + take_tls_error());
  }
  made.certificate_path_ = tls.certificate.path;
  made.not_before_ = wall_time(X509_get0_notBefore((*chain)[0].get()));
  made.not_after_ = wall_time(X509_get0_notAfter((*chain)[0].get()));
  return made;
}

Result<TlsContext> TlsContext::make_client(std::string_view authorities) {
  ERR_clear_error();
  TlsContext made;
  made.context_.reset(SSL_CTX_new(TLS_client_method()));
  SSL_CTX* context = made.context_.get();
  if (!context) return proxy_error("tls: " + take_tls_error());
  SSL_CTX_set_options(context,
                      SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_IGNORE_UNEXPECTED_EOF);
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_read_ahead(context, 1);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  if (SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1 ||
      SSL_CTX_set_cipher_list(context, kCiphers) != 1 ||
      SSL_CTX_set_alpn_protos(context, kProtocols, 9) != 0) {
    return proxy_error("tls: " + take_tls_error());
  }
  if (authorities.empty()) {
    if (SSL_CTX_set_default_verify_paths(context) != 1) {
      return proxy_error("tls: the system's certificate authorities: " + take_tls_error());
    }
    return made;
  }
  Result<std::vector<OwnedX509>> chain = read_chain({"ca", std::string(authorities)});
  if (!chain) return chain.error();
  for (const OwnedX509& authority : *chain) {
    X509_STORE_add_cert(SSL_CTX_get_cert_store(context), authority.get());
  }
  ERR_clear_error();
  return made;
}

Result<void> TlsContext::check_dates(WallTime now) const {
  if (now > not_after_) {
    return proxy_error(
        fmt::format("certificate {}: expired on {}", certificate_path_, date_text(not_after_)));
  }
  if (now < not_before_) {
    return proxy_error(
        fmt::format("certificate {}: is not valid before {}", certificate_path_, date_text(not_before_)));
  }
  return {};
}

}  // namespace banyan::net
