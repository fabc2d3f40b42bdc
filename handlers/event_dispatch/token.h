// JSON Web Tokens (RFC 7519) that say who may subscribe to what.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "handlers/event_dispatch/jws.h"
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

  // Errors, status 401: no token, not signed by whom we know (JwsKey::verify), not valid now or not for us.
  Result<Token> check(const std::string& text, WallTime now) const;

 private:
  TokenCheck(JwsKey key, std::string audience, std::string claim)
      : key_(std::move(key)), audience_(std::move(audience)), claim_(std::move(claim)) {}

  JwsKey key_;
  std::string audience_;
  std::string claim_;
};

}  // namespace banyan::handlers
