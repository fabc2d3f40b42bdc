// JSON Web Tokens (RFC 7519) that say who may subscribe to what. Signatures are libjwt's business.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "handlers/event_dispatch/options.h"

namespace banyan::handlers {

// True if the name fits; "*" stands for any characters, none and "/" included.
bool fits_pattern(std::string_view pattern, std::string_view name);

struct Token {
  std::vector<std::string> channels;  // patterns
  std::vector<std::string> publish;   // patterns
  std::optional<WallTime> expires;
  std::string subject;
};

class TokenCheck {
 public:
  // Error: the key is none.
  static Result<TokenCheck> make(const SubscribeOptions& options);

  // Errors, status 401: no token, signed by nobody we know, not valid now or not for us. Only algorithms of
  // the key's own kind count (RFC 8725 section 3.1).
  Result<Token> check(const std::string& text, WallTime now) const;

 private:
  enum class Kind { hmac, rsa, ec };
  TokenCheck(Kind kind, std::string key, std::string audience, std::string claim)
      : kind_(kind), key_(std::move(key)), audience_(std::move(audience)), claim_(std::move(claim)) {}

  Kind kind_;
  std::string key_;
  std::string audience_;
  std::string claim_;
};

}  // namespace banyan::handlers
