// JSON Web Signatures in their compact form, HEADER.PAYLOAD.SIGNATURE (RFC 7515), by one key.
//
// By cjose: libjwt 1.10 refuses every "typ" but JWT, which RFC 9068 wants to be "at+jwt", and knows nothing
// of "crit". cjose leaves "typ" to us; what it is lax about is looked at before it gets the token.
#pragma once

#include <cjose/jwk.h>

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "base/result.h"

namespace banyan::handlers {

// The object that a header or the claims of a token are. Something else, or with a member that is there
// twice, which others might read otherwise than we (RFC 7515 section 4, RFC 7519 section 4): a discarded
// value.
nlohmann::json read_unique_members(std::string_view text);

class JwsKey {
 public:
  // For HS256, HS384 and HS512.
  static JwsKey of_secret(std::string secret);
  // An RSA key is for RS256, RS384 and RS512, an EC key for what goes with its curve: ES256 for P-256, ES384
  // for P-384, ES512 for P-521. Error: the PEM text is none of them; the message does not repeat it.
  static Result<JwsKey> read_public(const std::string& pem);

  // The payload. Errors, status 401: not signed with this key, by an algorithm of another kind of key (RFC
  // 8725 section 3.1), or with a header that asks for what we do not know (section 4.1.11).
  Result<std::string> verify(std::string_view text) const;

 private:
  // Null, which nothing is signed by, if there is no memory for it.
  explicit JwsKey(cjose_jwk_t* key) : key_(key, &cjose_jwk_release) {}

  std::shared_ptr<const cjose_jwk_t> key_;
};

}  // namespace banyan::handlers
