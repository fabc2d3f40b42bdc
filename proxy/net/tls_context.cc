// A listener's side of TLS: an SSL_CTX for each certificate, alike but for that.
#include "net/tls_context.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/evp.h>

#include <array>
#include <ctime>

#include "base/utc.h"
#include "net/tls_error.h"
#include "net/tls_files.h"
#include "net/tls_names.h"
#include "net/tls_ocsp.h"
#include "net/tls_tickets.h"

namespace banyan::net {
namespace {

// In the order of our preference, each with its length before it (RFC 7301 section 3.1).
constexpr unsigned char kProtocols[] = "\x08http/1.1\x08http/1.0";

WallTime wall_time(const ASN1_TIME* time) {
  std::tm utc{};
  ASN1_TIME_to_tm(time, &utc);
  return from_utc(utc);
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

// What a session is good for: another listener, which may ask more of clients, must not resume it (the fault
// of CVE-2025-23419), though it opens the same tickets.
bool set_session_scope(SSL_CTX* context, const config::Tls& tls) {
  std::unique_ptr<EVP_MD_CTX, TlsFreer<EVP_MD_CTX_free>> digest(EVP_MD_CTX_new());
  const char verify = static_cast<char>(tls.verify);
  std::array<unsigned char, 32> scope;
  bool made = digest && EVP_DigestInit_ex(digest.get(), EVP_sha256(), nullptr) == 1 &&
              EVP_DigestUpdate(digest.get(), &verify, 1) == 1;
  const auto add = [&](const config::FileRef& file) {
    const uint64_t size = file.content.size();
    made = made && EVP_DigestUpdate(digest.get(), &size, sizeof size) == 1 &&
           EVP_DigestUpdate(digest.get(), file.content.data(), file.content.size()) == 1;
  };
  for (const config::FileRef* file : {&tls.certificate, &tls.ca, &tls.crl}) add(*file);
  for (const config::Certificate& each : tls.more) add(each.certificate);
  return made && EVP_DigestFinal_ex(digest.get(), scope.data(), nullptr) == 1 &&
         SSL_CTX_set_session_id_context(context, scope.data(), scope.size()) == 1;
}

bool set_protocol(SSL_CTX* context, const config::Tls& tls, TlsTicketKeys* ticket_keys) {
  // Tickets keep the session at the client; a cache here would be one per worker and seldom be asked.
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_alpn_select_cb(context, choose_protocol, nullptr);
  // The order of the lists is ours, cheapest first. A client that asks for ChaCha20 first has no instructions
  // for AES, and gets it.
  SSL_CTX_set_options(context, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
  return set_common_protocol(context, tls.min_version == config::Tls::Version::tls1_3) &&
         set_session_scope(context, tls) && (!ticket_keys || use_ticket_keys(context, *ticket_keys));
}

Result<void> set_verify(SSL_CTX* context, const config::Tls& tls) {
  if (tls.verify == config::Tls::Verify::off) return {};
  const bool required = tls.verify == config::Tls::Verify::required;
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER | (required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0), nullptr);
  Result<std::vector<OwnedX509>> authorities = read_certificates("ca", tls.ca);
  if (!authorities) return authorities.error();
  for (const OwnedX509& authority : *authorities) SSL_CTX_add_client_CA(context, authority.get());
  return use_authorities(context, tls.ca, tls.crl);
}

std::string date_text(WallTime time) { return fmt::format("{:%Y-%m-%d %H:%M:%S} UTC", fmt::gmtime(time)); }

}  // namespace

void TlsContext::Free::operator()(ssl_ctx_st* context) const { SSL_CTX_free(context); }

void TlsContext::note_certificate(const std::string& path, const x509_st* certificate) {
  certificates_.push_back({path, wall_time(X509_get0_notBefore(certificate)),
                           wall_time(X509_get0_notAfter(certificate)), WallTime::max()});
}

Result<TlsContext::Pointer> TlsContext::make_one(const config::Tls& tls,
                                                 const config::Certificate& certificate,
                                                 TlsTicketKeys* ticket_keys,
                                                 std::vector<std::string>& names) {
  Pointer made(SSL_CTX_new(TLS_server_method()));
  SSL_CTX* context = made.get();
  if (!context || !set_protocol(context, tls, ticket_keys)) return proxy_error("tls: " + take_tls_error());
  Result<std::vector<OwnedX509>> chain = read_certificates("certificate", certificate.certificate);
  if (!chain) return chain.error();
  const X509* leaf = (*chain)[0].get();
  Result<void> used = use_certificate(context, certificate.certificate, *chain, certificate.key);
  if (used) used = set_verify(context, tls);
  if (!used) return used.error();
  note_certificate(certificate.certificate.path, leaf);
  names = names_of(leaf);
  if (certificate.ocsp.empty()) return made;
  Result<WallTime> until = use_ocsp_response(context, certificate.ocsp, leaf);
  if (!until) return until.error();
  certificates_.back().ocsp_until = *until;
  return made;
}

Result<TlsContext> TlsContext::make(const config::Tls& tls, TlsTicketKeys* ticket_keys) {
  ERR_clear_error();
  TlsContext made;
  auto names = std::make_unique<TlsNames>(tls.unknown_names == config::Tls::UnknownNames::refuse);
  std::vector<std::string> names_of_one;
  Result<Pointer> first = made.make_one(tls, tls, ticket_keys, names_of_one);
  if (!first) return first.error();
  made.context_ = std::move(*first);
  names->add(names_of_one, made.get());
  for (const config::Certificate& certificate : tls.more) {
    Result<Pointer> other = made.make_one(tls, certificate, ticket_keys, names_of_one);
    if (!other) return other.error();
    names->add(names_of_one, other->get());
  }
  TlsNames::attach(std::move(names), made.get());
  return made;
}

Result<void> TlsContext::check_dates(WallTime now) const {
  for (const Certificate& certificate : certificates_) {
    if (now > certificate.not_after) {
      return proxy_error(
          fmt::format("certificate {}: expired on {}", certificate.path, date_text(certificate.not_after)));
    }
    if (now < certificate.not_before) {
      return proxy_error(fmt::format("certificate {}: is not valid before {}", certificate.path,
                                     date_text(certificate.not_before)));
    }
  }
  return {};
}

std::vector<std::string> TlsContext::warnings(WallTime now) const {
  std::vector<std::string> lines;
  for (const Certificate& certificate : certificates_) {
    const auto left = certificate.not_after - now;
    if (left > WallTime::duration::zero() && left < kWarnAhead) {
      lines.push_back(fmt::format("certificate {}: expires on {}, in {} days", certificate.path,
                                  date_text(certificate.not_after),
                                  std::chrono::duration_cast<std::chrono::days>(left).count()));
    }
    if (certificate.ocsp_until < now) {
      lines.push_back(fmt::format("certificate {}: its OCSP response was good until {} and is not sent",
                                  certificate.path, date_text(certificate.ocsp_until)));
    }
  }
  return lines;
}

}  // namespace banyan::net
