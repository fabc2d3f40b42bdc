#include "handlers/event_dispatch/token.h"

#include <fmt/format.h>
#include <jwt.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <nlohmann/json.hpp>

namespace banyan::handlers {
namespace {

using Json = nlohmann::json;

// EVP_PKEY_RSA, EVP_PKEY_EC, or another kind; 0 if it is no public key.
int kind_of_key(const std::string& pem) {
  const std::unique_ptr<BIO, decltype(&BIO_free)> bio(
      BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), &BIO_free);
  const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(
      bio ? PEM_read_bio_PUBKEY(bio.get(), nullptr, nullptr, nullptr) : nullptr, &EVP_PKEY_free);
  ERR_clear_error();
  return key ? EVP_PKEY_base_id(key.get()) : 0;
}

// Seconds since 1970, with or without a fraction (RFC 7519 section 2, NumericDate).
std::optional<WallTime> read_time(const Json& claims, const char* name, bool& wrong) {
  const auto found = claims.find(name);
  if (found == claims.end()) return std::nullopt;
  const double seconds = found->is_number() ? found->get<double>() : -1;
  // Beyond it the clock's own numbers overflow.
  if (!(seconds >= 0 && seconds < 4e9)) {
    wrong = true;
    return std::nullopt;
  }
  return WallTime() + std::chrono::duration_cast<WallTime::duration>(std::chrono::duration<double>(seconds));
}

// A string or a list of them.
std::vector<std::string> read_texts(const Json& claims, const std::string& name) {
  std::vector<std::string> texts;
  const auto found = claims.find(name);
  if (found == claims.end()) return texts;
  if (found->is_string()) texts.push_back(found->get<std::string>());
  if (!found->is_array()) return texts;
  for (const Json& item : *found) {
    if (item.is_string()) texts.push_back(item.get<std::string>());
  }
  return texts;
}

Error refused(std::string why) { return client_error(401, std::move(why)); }

}  // namespace

bool fits_pattern(std::string_view pattern, std::string_view name) {
  size_t p = 0, n = 0, star = pattern.npos, tried = 0;
  while (n < name.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      tried = n;
    } else if (p < pattern.size() && pattern[p] == name[n]) {
      ++p, ++n;
    } else if (star != pattern.npos) {
      p = star + 1;
      n = ++tried;
    } else {
      return false;
    }
  }
  return std::all_of(pattern.begin() + static_cast<ptrdiff_t>(p), pattern.end(),
                     [](char c) { return c == '*'; });
}

Result<TokenCheck> TokenCheck::make(const SubscribeOptions& options) {
  if (!options.jwt_secret.empty()) {
    return TokenCheck(Kind::hmac, options.jwt_secret.value, options.audience, options.claim);
  }
  const int kind = kind_of_key(options.jwt_public_key.content);
  if (kind != EVP_PKEY_RSA && kind != EVP_PKEY_EC) {
    return proxy_error(
        fmt::format("{}: not an RSA or EC public key in PEM form", options.jwt_public_key.path));
  }
  return TokenCheck(kind == EVP_PKEY_RSA ? Kind::rsa : Kind::ec, options.jwt_public_key.content,
                    options.audience, options.claim);
}

Result<Token> TokenCheck::check(const std::string& text, WallTime now) const {
  if (text.empty()) return refused("a token is needed");
  jwt_t* decoded = nullptr;
  const int failure = jwt_decode(&decoded, text.c_str(), reinterpret_cast<const unsigned char*>(key_.data()),
                                 static_cast<int>(key_.size()));
  const std::unique_ptr<jwt_t, decltype(&jwt_free)> token(decoded, &jwt_free);
  ERR_clear_error();
  if (failure != 0 || !token) return refused("the token is not signed by whom we know");
  const jwt_alg_t algorithm = jwt_get_alg(token.get());
  const jwt_alg_t least = kind_ == Kind::hmac  ? JWT_ALG_HS256
                          : kind_ == Kind::rsa ? JWT_ALG_RS256
                                               : JWT_ALG_ES256;
  if (algorithm < least || algorithm > least + 2)
    return refused("the token is signed in another way than ours");
  const std::unique_ptr<char, decltype(&std::free)> json(jwt_get_grants_json(token.get(), nullptr),
                                                         &std::free);
  const Json claims = Json::parse(json ? json.get() : "", nullptr, false);
  if (!claims.is_object()) return refused("the token has no claims");

  Token result;
  bool wrong = false;
  result.expires = read_time(claims, "exp", wrong);
  const std::optional<WallTime> from = read_time(claims, "nbf", wrong);
  if (wrong) return refused("the token's times are none");
  if (result.expires && *result.expires <= now) return refused("the token has expired");
  if (from && *from > now) return refused("the token is not valid yet");
  const std::vector<std::string> audience = read_texts(claims, "aud");
  if (!audience_.empty() && std::find(audience.begin(), audience.end(), audience_) == audience.end()) {
    return refused("the token is for somebody else");
  }
  result.channels = read_texts(claims, claim_);
  result.publish = read_texts(claims, "publish");
  const auto subject = claims.find("sub");
  if (subject != claims.end() && subject->is_string()) result.subject = subject->get<std::string>();
  return result;
}

}  // namespace banyan::handlers
