#include "net/tls_names.h"

#include <openssl/x509v3.h>

#include <algorithm>

namespace banyan::net {
namespace {

std::string lower(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return result;
}

std::string text_of(const ASN1_STRING* string) {
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(string)),
          static_cast<size_t>(ASN1_STRING_length(string))};
}

void free_names(void*, void* names, CRYPTO_EX_DATA*, int, long, void*) {
  delete static_cast<TlsNames*>(names);
}

int names_index() {
  static const int index = SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, free_names);
  return index;
}

}  // namespace

std::vector<std::string> names_of(const X509* certificate) {
  std::vector<std::string> names;
  using Alternatives = std::unique_ptr<GENERAL_NAMES, TlsFreer<GENERAL_NAMES_free>>;
  Alternatives alternatives(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; alternatives && i < sk_GENERAL_NAME_num(alternatives.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(alternatives.get(), i);
    if (name->type == GEN_DNS) names.push_back(lower(text_of(name->d.dNSName)));
  }
  if (alternatives) return names;
  const X509_NAME* subject = X509_get_subject_name(certificate);
  const int place = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
  if (place >= 0) {
    names.push_back(lower(text_of(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, place)))));
  }
  return names;
}

void TlsNames::add(const std::vector<std::string>& names, SSL_CTX* context) {
  for (const std::string& name : names) contexts_.try_emplace(name, context);
  SSL_CTX_up_ref(context);
  kept_.emplace_back(context);
}

SSL_CTX* TlsNames::find(std::string_view asked) const {
  std::string name = lower(asked);
  if (name.ends_with('.')) name.pop_back();
  if (auto exact = contexts_.find(name); exact != contexts_.end()) return exact->second;
  const size_t dot = name.find('.');
  if (dot == std::string::npos) return nullptr;
  auto wildcard = contexts_.find("*" + name.substr(dot));
  return wildcard == contexts_.end() ? nullptr : wildcard->second;
}

int TlsNames::on_name(SSL* connection, int* alert, void* self) {
  const auto& names = *static_cast<const TlsNames*>(self);
  const char* asked = SSL_get_servername(connection, TLSEXT_NAMETYPE_host_name);
  SSL_CTX* context = asked ? names.find(asked) : nullptr;
  if (context) {
    SSL_set_SSL_CTX(connection, context);
    return SSL_TLSEXT_ERR_OK;
  }
  if (!names.refuse_unknown_) return SSL_TLSEXT_ERR_NOACK;
  *alert = SSL_AD_UNRECOGNIZED_NAME;
  return SSL_TLSEXT_ERR_ALERT_FATAL;
}

void TlsNames::attach(std::unique_ptr<TlsNames> names, SSL_CTX* first) {
  // It keeps the names: if they kept it, too, neither would ever go.
  std::erase_if(names->kept_, [first](const OwnedContext& kept) { return kept.get() == first; });
  SSL_CTX_set_tlsext_servername_callback(first, on_name);
  SSL_CTX_set_tlsext_servername_arg(first, names.get());
  SSL_CTX_set_ex_data(first, names_index(), names.release());
}

}  // namespace banyan::net
