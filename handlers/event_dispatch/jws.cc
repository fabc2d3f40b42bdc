#include "handlers/event_dispatch/jws.h"

#include <cjose/jws.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/pem.h>

#include <algorithm>
#include <iterator>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <vector>

#include "base/base64.h"

namespace banyan::handlers {
namespace {

using Json = nlohmann::json;

Error refused(std::string why) { return client_error(401, std::move(why)); }

// RFC 7518 section 3.1. The names are to be compared as they are.
struct Algorithm {
  std::string_view name;
  cjose_jwk_kty_t kind;
  // Bytes; 0 for those of RSA keys, whose size OpenSSL checks. cjose 0.6 reads 32 of a shorter one of HS256
  // all the same, and cuts one of ES256 into halves of any size.
  size_t signature = 0;
  cjose_jwk_ec_curve curve = CJOSE_JWK_EC_INVALID;
};
constexpr Algorithm kAlgorithms[] = {
    {"HS256", CJOSE_JWK_KTY_OCT, 32},
    {"HS384", CJOSE_JWK_KTY_OCT, 48},
    {"HS512", CJOSE_JWK_KTY_OCT, 64},
    {"RS256", CJOSE_JWK_KTY_RSA},
    {"RS384", CJOSE_JWK_KTY_RSA},
    {"RS512", CJOSE_JWK_KTY_RSA},
    {"ES256", CJOSE_JWK_KTY_EC, 2 * 32, CJOSE_JWK_EC_P_256},
    {"ES384", CJOSE_JWK_KTY_EC, 2 * 48, CJOSE_JWK_EC_P_384},
    {"ES512", CJOSE_JWK_KTY_EC, 2 * 66, CJOSE_JWK_EC_P_521},
};

// What the key says of itself, not the token. Null: none that we know.
const Algorithm* find_algorithm(const cjose_jwk_t* key, const Json& name) {
  if (!key) return nullptr;
  const cjose_jwk_kty_t kind = cjose_jwk_get_kty(key, nullptr);
  const cjose_jwk_ec_curve curve =
      kind == CJOSE_JWK_KTY_EC ? cjose_jwk_EC_get_curve(key, nullptr) : CJOSE_JWK_EC_INVALID;
  const auto* found = std::find_if(std::begin(kAlgorithms), std::end(kAlgorithms), [&](const auto& one) {
    return one.kind == kind && one.curve == curve && name.is_string() &&
           name.get_ref<const std::string&>() == one.name;
  });
  return found == std::end(kAlgorithms) ? nullptr : found;
}

// One of the numbers that the key is made of, the highest byte first.
std::vector<uint8_t> number_of(const EVP_PKEY* key, const char* name) {
  BIGNUM* read = nullptr;
  EVP_PKEY_get_bn_param(key, name, &read);
  const std::unique_ptr<BIGNUM, decltype(&BN_free)> number(read, &BN_free);
  std::vector<uint8_t> bytes(read ? static_cast<size_t>(BN_num_bytes(read)) : 0);
  if (read) BN_bn2bin(read, bytes.data());
  return bytes;
}

cjose_jwk_t* make_rsa(const EVP_PKEY* key) {
  std::vector<uint8_t> n = number_of(key, OSSL_PKEY_PARAM_RSA_N), e = number_of(key, OSSL_PKEY_PARAM_RSA_E);
  const cjose_jwk_rsa_keyspec spec = {.e = e.data(), .elen = e.size(), .n = n.data(), .nlen = n.size()};
  return cjose_jwk_create_RSA_spec(&spec, nullptr);
}

// Null: of another curve.
cjose_jwk_t* make_ec(const EVP_PKEY* key) {
  char name[64] = "";
  EVP_PKEY_get_group_name(key, name, sizeof name, nullptr);
  const auto* curve = std::find_if(std::begin(kAlgorithms), std::end(kAlgorithms), [&](const auto& one) {
    return one.kind == CJOSE_JWK_KTY_EC && one.curve == OBJ_sn2nid(name);
  });
  if (curve == std::end(kAlgorithms)) return nullptr;
  std::vector<uint8_t> x = number_of(key, OSSL_PKEY_PARAM_EC_PUB_X);
  std::vector<uint8_t> y = number_of(key, OSSL_PKEY_PARAM_EC_PUB_Y);
  const cjose_jwk_ec_keyspec spec = {
      .crv = curve->curve, .x = x.data(), .xlen = x.size(), .y = y.data(), .ylen = y.size()};
  return cjose_jwk_create_EC_spec(&spec, nullptr);
}

bool verified(std::string_view text, const cjose_jwk_t* key) {
  const std::unique_ptr<cjose_jws_t, decltype(&cjose_jws_release)> jws(
      cjose_jws_import(text.data(), text.size(), nullptr), &cjose_jws_release);
  const bool good = jws && cjose_jws_verify(jws.get(), key, nullptr);
  ERR_clear_error();
  return good;
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

JwsKey JwsKey::of_secret(std::string secret) {
  return JwsKey(
      cjose_jwk_create_oct_spec(reinterpret_cast<const uint8_t*>(secret.data()), secret.size(), nullptr));
}

Result<JwsKey> JwsKey::read_public(const std::string& pem) {
  const std::unique_ptr<BIO, decltype(&BIO_free)> bio(
      BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), &BIO_free);
  const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> read(
      bio ? PEM_read_bio_PUBKEY(bio.get(), nullptr, nullptr, nullptr) : nullptr, &EVP_PKEY_free);
  const int id = read ? EVP_PKEY_get_base_id(read.get()) : EVP_PKEY_NONE;
  JwsKey key(id == EVP_PKEY_RSA ? make_rsa(read.get()) : id == EVP_PKEY_EC ? make_ec(read.get()) : nullptr);
  ERR_clear_error();
  if (!key.key_) return proxy_error("not an RSA or EC (P-256, P-384, P-521) public key in PEM form");
  return key;
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
  const Algorithm* algorithm = find_algorithm(key_.get(), header.value("alg", Json()));
  if (!algorithm) return refused("the token is signed in another way than ours");
  const bool fits = algorithm->signature == 0 || algorithm->signature == signature->size();
  if (!fits || !verified(text, key_.get())) return refused("the token is not signed by whom we know");
  return *std::move(payload);
}

}  // namespace banyan::handlers
