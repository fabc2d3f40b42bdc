#include "config/pem_check.h"

#include <fmt/format.h>

namespace banyan::config {
namespace {

void check_pem(const Value& value, const FileRef& file, std::string_view wanted, std::string_view what) {
  if (!file.empty() && file.content.find(wanted) == std::string::npos) {
    value.error(fmt::format("{} has no {} in PEM form", file.path, what));
  }
}

}  // namespace

Format<Tls::Version> tls_version() {
  return choice<Tls::Version>({{"1.2", Tls::Version::tls1_2}, {"1.3", Tls::Version::tls1_3}});
}

void check_certificate_file(const Value& value, const FileRef& file) {
  check_pem(value, file, "-----BEGIN CERTIFICATE-----", "certificate");
}
void check_key_file(const Value& value, const FileRef& file) {
  check_pem(value, file, "PRIVATE KEY-----", "private key");
}
void check_crl_file(const Value& value, const FileRef& file) {
  check_pem(value, file, "-----BEGIN X509 CRL-----", "revocation list");
}

void check_certificate_pair(const Value& value) {
  if (value.has("certificate") && !value.has("key")) value.at("certificate").error("needs its key");
  if (value.has("key") && !value.has("certificate")) value.at("key").error("needs its certificate");
}

}  // namespace banyan::config
