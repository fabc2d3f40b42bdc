// JSON Web Tokens for tests, signed by OpenSSL alone: not by what verifies them.
#pragma once

#include <fmt/format.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/base64.h"

namespace banyan::support {

inline std::string base64url(std::string_view bytes) {
  std::string text;
  append_base64(text, bytes);
  text.erase(std::min(text.find('='), text.size()));
  std::replace(text.begin(), text.end(), '+', '-');
  std::replace(text.begin(), text.end(), '/', '_');
  return text;
}

// By HS, RS or ES with 256, 384 or 512, or none; the key is the secret or a private key in PEM form.
inline std::string signature_of(std::string_view text, std::string_view algorithm, const std::string& key) {
  const auto bytes = [](std::string_view of) { return reinterpret_cast<const unsigned char*>(of.data()); };
  if (algorithm == "none") return {};
  const std::unique_ptr<BIO, decltype(&BIO_free)> pem(
      BIO_new_mem_buf(key.data(), static_cast<int>(key.size())), &BIO_free);
  const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> signer(
      algorithm.starts_with("HS")
          ? EVP_PKEY_new_raw_private_key(EVP_PKEY_HMAC, nullptr, bytes(key), key.size())
          : PEM_read_bio_PrivateKey(pem.get(), nullptr, nullptr, nullptr),
      &EVP_PKEY_free);
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), &EVP_MD_CTX_free);
  const EVP_MD* digest = EVP_get_digestbyname(fmt::format("SHA{}", algorithm.substr(2)).c_str());
  EVP_DigestSignInit(context.get(), nullptr, digest, nullptr, signer.get());
  std::vector<unsigned char> made(1024);
  size_t size = made.size();
  EVP_DigestSign(context.get(), made.data(), &size, bytes(text), text.size());
  if (algorithm.starts_with("ES")) {
    const unsigned char* der = made.data();
    const std::unique_ptr<ECDSA_SIG, decltype(&ECDSA_SIG_free)> pair(
        d2i_ECDSA_SIG(nullptr, &der, static_cast<long>(size)), &ECDSA_SIG_free);
    const int number = (EVP_PKEY_get_bits(signer.get()) + 7) / 8;
    size = 2 * static_cast<size_t>(number);
    BN_bn2binpad(ECDSA_SIG_get0_r(pair.get()), made.data(), number);
    BN_bn2binpad(ECDSA_SIG_get0_s(pair.get()), made.data() + number, number);
  }
  return std::string(made.begin(), made.begin() + static_cast<ptrdiff_t>(size));
}

inline std::string sign(std::string_view algorithm, const std::string& key, std::string_view claims,
                        std::string_view header) {
  const std::string text = base64url(header) + "." + base64url(claims);
  return text + "." + base64url(signature_of(text, algorithm, key));
}

inline std::string sign(std::string_view algorithm, const std::string& key, std::string_view claims) {
  return sign(algorithm, key, claims, fmt::format(R"({{"alg":"{}"}})", algorithm));
}

}  // namespace banyan::support
