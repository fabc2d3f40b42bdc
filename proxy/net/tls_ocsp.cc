#include "net/tls_ocsp.h"

#include <openssl/err.h>
#include <openssl/ocsp.h>

#include <ctime>
#include <string>

#include "base/utc.h"

namespace banyan::net {
namespace {

using OwnedResponse = std::unique_ptr<OCSP_RESPONSE, TlsFreer<OCSP_RESPONSE_free>>;
using OwnedBasic = std::unique_ptr<OCSP_BASICRESP, TlsFreer<OCSP_BASICRESP_free>>;

struct Staple {
  std::string bytes;
  WallTime until;
};

void free_staple(void*, void* staple, CRYPTO_EX_DATA*, int, long, void*) {
  delete static_cast<Staple*>(staple);
}

int staple_index() {
  static const int index = SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, free_staple);
  return index;
}

// A client takes an old one for an attack.
int on_status_asked(SSL* connection, void*) {
  const auto* staple =
      static_cast<const Staple*>(SSL_CTX_get_ex_data(SSL_get_SSL_CTX(connection), staple_index()));
  if (!staple || std::chrono::system_clock::now() >= staple->until) return SSL_TLSEXT_ERR_NOACK;
  // OpenSSL frees the copy.
  void* copy = OPENSSL_memdup(staple->bytes.data(), staple->bytes.size());
  if (!copy) return SSL_TLSEXT_ERR_NOACK;
  SSL_set_tlsext_status_ocsp_resp(connection, copy, static_cast<long>(staple->bytes.size()));
  return SSL_TLSEXT_ERR_OK;
}

// The part of the response that is about the certificate, by its serial number; null if there is none.
OCSP_SINGLERESP* find_part(OCSP_BASICRESP* response, const X509* certificate) {
  for (int i = 0; i < OCSP_resp_count(response); ++i) {
    OCSP_SINGLERESP* part = OCSP_resp_get0(response, i);
    ASN1_INTEGER* serial = nullptr;
    OCSP_id_get0_info(nullptr, nullptr, nullptr, &serial,
                      const_cast<OCSP_CERTID*>(OCSP_SINGLERESP_get0_id(part)));
    if (serial && ASN1_INTEGER_cmp(serial, X509_get0_serialNumber(certificate)) == 0) return part;
  }
  return nullptr;
}

}  // namespace

Result<WallTime> use_ocsp_response(SSL_CTX* context, const config::FileRef& file, const X509* certificate) {
  const auto* bytes = reinterpret_cast<const unsigned char*>(file.content.data());
  OwnedResponse response(d2i_OCSP_RESPONSE(nullptr, &bytes, static_cast<long>(file.content.size())));
  ERR_clear_error();
  if (!response) return tls_file_error("ocsp", file, "is no OCSP response in DER form");
  if (const int status = OCSP_response_status(response.get()); status != OCSP_RESPONSE_STATUS_SUCCESSFUL) {
    return tls_file_error("ocsp", file, std::string("says ") + OCSP_response_status_str(status));
  }
  OwnedBasic basic(OCSP_response_get1_basic(response.get()));
  ERR_clear_error();
  OCSP_SINGLERESP* part = basic ? find_part(basic.get(), certificate) : nullptr;
  if (!part) return tls_file_error("ocsp", file, "is not about the certificate");
  ASN1_GENERALIZEDTIME* next = nullptr;
  OCSP_single_get0_status(part, nullptr, nullptr, nullptr, &next);
  WallTime until = WallTime::max();
  std::tm utc{};
  if (next && ASN1_TIME_to_tm(next, &utc) == 1) until = from_utc(utc);
  SSL_CTX_set_ex_data(context, staple_index(), new Staple{file.content, until});
  SSL_CTX_set_tlsext_status_cb(context, on_status_asked);
  return until;
}

}  // namespace banyan::net
