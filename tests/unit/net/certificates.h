// Certificates for the tests of TLS, made on the spot: self-signed, P-256, for "localhost" and 127.0.0.1.
#pragma once

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string>

#include "config/schema.h"

namespace banyan::net {

struct CertificateText {
  std::string certificate;
  std::string key;
};

inline std::string take_text(BIO* bio) {
  char* data = nullptr;
  long size = BIO_get_mem_data(bio, &data);
  std::string text(data, static_cast<size_t>(size));
  BIO_free(bio);
  return text;
}

inline void add_extension(X509* certificate, int id, const char* value) {
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, id, value);
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

// Valid from `begin` to `end`, in seconds from now. `pass_phrase` encrypts the key.
inline CertificateText make_certificate(long begin = -3600, long end = 3600,
                                        const char* pass_phrase = nullptr,
                                        const char* names = "DNS:localhost,IP:127.0.0.1") {
  EVP_PKEY* key = EVP_EC_gen("P-256");
  X509* certificate = X509_new();
  X509_set_version(certificate, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate), begin);
  X509_gmtime_adj(X509_getm_notAfter(certificate), end);
  X509_NAME* name = X509_get_subject_name(certificate);
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>("localhost"),
                             -1, -1, 0);
  X509_set_issuer_name(certificate, name);
  X509_set_pubkey(certificate, key);
  add_extension(certificate, NID_basic_constraints, "critical,CA:TRUE");
  add_extension(certificate, NID_subject_alt_name, names);
  X509_sign(certificate, key, EVP_sha256());

  BIO* certificate_bio = BIO_new(BIO_s_mem());
  PEM_write_bio_X509(certificate_bio, certificate);
  BIO* key_bio = BIO_new(BIO_s_mem());
  PEM_write_bio_PrivateKey(key_bio, key, pass_phrase ? EVP_aes_128_cbc() : nullptr, nullptr, 0, nullptr,
                           const_cast<char*>(pass_phrase));
  CertificateText text{take_text(certificate_bio), take_text(key_bio)};
  X509_free(certificate);
  EVP_PKEY_free(key);
  return text;
}

inline config::Tls tls_of(const CertificateText& text) {
  config::Tls tls;
  tls.certificate = {"/etc/banyan/cert.pem", text.certificate};
  tls.key = {"/etc/banyan/key.pem", text.key};
  return tls;
}

}  // namespace banyan::net
