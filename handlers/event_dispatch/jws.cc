#include "handlers/event_dispatch/jws.h"

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>

#include <algorithm>
#include <iterator>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "base/base64.h"
#include "base/constant_time.h"

namespace banyan::handlers {
namespace {

using Json = nlohmann::json;

Error refused(std::string why) { return client_error(401, std::move(why)); }

const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

std::string hmac(const EVP_MD* digest, std::string_view secret, std::string_view text) {
  unsigned char bytes[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  if (!HMAC(digest, secret.data(), static_cast<int>(secret.size()), bytes_of(text), text.size(), bytes,
            &size))
    return {};
  return std::string(reinterpret_cast<const char*>(bytes), size);
}

// RFC 7518 section 3.4 has two numbers of the curve's size side by side, OpenSSL wants them in DER.
std::optional<std::string> to_der(std::string_view signature, size_t number) {
  if (signature.size() != 2 * number) return std::nullopt;
  const std::unique_ptr<ECDSA_SIG, decltype(&ECDSA_SIG_free)> pair(ECDSA_SIG_new(), &ECDSA_SIG_free);
  const int size = static_cast<int>(number);
  BIGNUM* r = BN_bin2bn(bytes_of(signature), size, nullptr);
  BIGNUM* s = BN_bin2bn(bytes_of(signature.substr(number)), size, nullptr);
  if (!pair || ECDSA_SIG_set0(pair.get(), r, s) != 1) {
    BN_free(r), BN_free(s);
    return std::nullopt;
  }
  unsigned char* der = nullptr;
  const int length = i2d_ECDSA_SIG(pair.get(), &der);
  if (length <= 0) return std::nullopt;
  std::string text(reinterpret_cast<const char*>(der), static_cast<size_t>(length));
  OPENSSL_free(der);
  return text;
}

bool verified(EVP_PKEY* key, const EVP_MD* digest, std::string_view text, std::string_view signature) {
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), &EVP_MD_CTX_free);
  const bool good = context && EVP_DigestVerifyInit(context.get(), nullptr, digest, nullptr, key) == 1 &&
                    EVP_DigestVerify(context.get(), bytes_of(signature), signature.size(), bytes_of(text),
                                     text.size()) == 1;
  ERR_clear_error();
  return good;
}

std::string curve_of(const EVP_PKEY* key) {
  char name[64];
  size_t size = 0;
  return EVP_PKEY_get_group_name(key, name, sizeof name, &size) == 1 ? std::string(name, size)
                                                                     : std::string();
}

}  // namespace

Json read_unique_members(std::string_view text) {
  std::set<std::string> names;
  bool twice = false;
  const auto note_name = [&](int depth, Json::parse_event_t event, const Json& parsed) {
    if (event == Json::parse_event_t::key && depth == 1) {
      twice |= !names.insert(parsed.get_ref<const std::string&>()).second;
    }
    return true;
  };
  Json object = Json::parse(text, note_name, false);
  return object.is_object() && !twice ? object : Json(Json::value_t::discarded);
}

// RFC 7518 section 3.1. The names are to be compared as they are.
struct JwsKey::Algorithm {
  std::string_view name;
  Kind kind;
  const EVP_MD* (*digest)();
  std::string_view curve = {};
  size_t number = 0;  // bytes of each of the two of a signature
};
const JwsKey::Algorithm JwsKey::kAlgorithms[] = {
    {"HS256", Kind::hmac, EVP_sha256},
    {"HS384", Kind::hmac, EVP_sha384},
    {"HS512", Kind::hmac, EVP_sha512},
    {"RS256", Kind::rsa, EVP_sha256},
    {"RS384", Kind::rsa, EVP_sha384},
    {"RS512", Kind::rsa, EVP_sha512},
    {"ES256", Kind::ec, EVP_sha256, "prime256v1", 32},
    {"ES384", Kind::ec, EVP_sha384, "secp384r1", 48},
    {"ES512", Kind::ec, EVP_sha512, "secp521r1", 66},
};

JwsKey JwsKey::of_secret(std::string secret) { return JwsKey(Kind::hmac, std::move(secret)); }

Result<JwsKey> JwsKey::read_public(const std::string& pem) {
  const std::unique_ptr<BIO, decltype(&BIO_free)> bio(
      BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), &BIO_free);
  const std::shared_ptr<EVP_PKEY> read(
      bio ? PEM_read_bio_PUBKEY(bio.get(), nullptr, nullptr, nullptr) : nullptr, &EVP_PKEY_free);
  const int id = read ? EVP_PKEY_get_base_id(read.get()) : EVP_PKEY_NONE;
  JwsKey key(id == EVP_PKEY_RSA ? Kind::rsa : Kind::ec, {});
  key.public_ = read;
  if (id == EVP_PKEY_EC) key.curve_ = curve_of(read.get());
  ERR_clear_error();
  const auto fits = [&](const Algorithm& algorithm) { return key.fits(algorithm); };
  if (!read || std::none_of(std::begin(kAlgorithms), std::end(kAlgorithms), fits)) {
    return proxy_error("not an RSA or EC (P-256, P-384, P-521) public key in PEM form");
  }
  return key;
}

bool JwsKey::fits(const Algorithm& algorithm) const {
  return algorithm.kind == kind_ && algorithm.curve == curve_;
}

bool JwsKey::signed_by_us(std::string_view text, std::string_view signature,
                          const Algorithm& algorithm) const {
  const EVP_MD* digest = algorithm.digest();
  if (kind_ == Kind::hmac) return equal_in_constant_time(signature, hmac(digest, secret_, text));
  if (kind_ == Kind::rsa) return verified(public_.get(), digest, text, signature);
  const std::optional<std::string> der = to_der(signature, algorithm.number);
  return der && verified(public_.get(), digest, text, *der);
}

Result<std::string> JwsKey::verify(std::string_view text) const {
  const size_t last = text.rfind('.');
  const std::string_view signing_input = text.substr(0, last);
  const size_t first = signing_input.find('.');
  if (last == text.npos || first == text.npos) return refused("the token is none");
  const auto header_text = read_base64url(signing_input.substr(0, first));
  std::optional<std::string> payload = read_base64url(signing_input.substr(first + 1));
  const auto signature = read_base64url(text.substr(last + 1));
  if (!header_text || !payload || !signature) return refused("the token is none");
  const Json header = read_unique_members(*header_text);
  if (header.is_discarded()) return refused("the token is none");
  // RFC 7515 section 4.1.11; a payload that is not encoded (RFC 7797) is the one thing that might be asked
  // for without.
  if (header.contains("crit") || header.value("b64", Json(true)) != Json(true)) {
    return refused("the token's header asks for something unknown");
  }
  const Json name = header.value("alg", Json());
  const auto* algorithm =
      std::find_if(std::begin(kAlgorithms), std::end(kAlgorithms), [&](const Algorithm& one) {
        return fits(one) && name.is_string() && name.get_ref<const std::string&>() == one.name;
      });
  if (algorithm == std::end(kAlgorithms)) return refused("the token is signed in another way than ours");
  if (!signed_by_us(signing_input, *signature, *algorithm)) {
    return refused("the token is not signed by whom we know");
  }
  return *std::move(payload);
}

}  // namespace banyan::handlers
