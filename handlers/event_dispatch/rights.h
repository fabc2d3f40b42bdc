// Who may subscribe: pages of which origins, tokens for which channels.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "handlers/event_dispatch/options.h"
#include "handlers/event_dispatch/token.h"
#include "http/head.h"

namespace banyan::handlers {

// What a subscriber came with, and what it may do.
struct Grant {
  std::string origin;
  std::string token;  // as text
  Token allowed;
  bool by_token = false;  // only what `allowed` says; otherwise everything
  // The channels of the request that the service of `authorize` has allowed: all that it was asked about.
  // Null: there is no such service, or it has not answered yet.
  std::optional<std::vector<std::string>> authorized;

  bool may_subscribe(std::string_view channel) const;
  bool may_publish(std::string_view channel) const;
  // False for channels that the service has not seen in the request.
  bool was_asked_about(std::string_view channel) const;
};

class Rights {
 public:
  // Error: the key for tokens cannot be used.
  static Result<std::unique_ptr<Rights>> make(const SubscribeOptions& options);

  // There is something to be asked for at all.
  bool any() const { return options_ != SubscribeOptions(); }
  const SubscribeOptions& options() const { return options_; }

  // RFC 6455 section 10.2: whether a page of that origin may speak to us. Who sends no Origin is no browser.
  bool origin_allowed(std::string_view origin, std::string_view host) const;
  // Adds the fields that let pages of another origin read the answer (Fetch standard, CORS); for the origins
  // of the list only.
  void add_cors_fields(std::string_view origin, http::Fields& fields) const;

  // Errors: 403 for the origin and for channels, 401 for tokens.
  Result<Grant> grant(const http::RequestHead& request, std::string_view access_token, WallTime now) const;
  // What the grant is worth under these rights, for subscribers of a configuration that has been replaced.
  Result<Grant> renew(const Grant& grant, WallTime now) const;

 private:
  Rights(const SubscribeOptions& options, std::optional<TokenCheck> tokens)
      : options_(options), tokens_(std::move(tokens)) {}
  Result<Grant> check(Grant grant, WallTime now) const;

  const SubscribeOptions options_;
  std::optional<TokenCheck> tokens_;
};

// What WWW-Authenticate says of an error of Rights::grant(); empty if no token would help. `token`: that of
// the request.
std::string_view challenge_of(const Error& error, std::string_view token);

// The token of a request: Authorization: Bearer, or else of the query, or else a WebSocket subprotocol
// "access_token.TOKEN" (browsers let pages say nothing else).
std::string find_token(const http::RequestHead& request, std::string_view access_token);
inline constexpr std::string_view kTokenProtocol = "access_token.";

}  // namespace banyan::handlers
