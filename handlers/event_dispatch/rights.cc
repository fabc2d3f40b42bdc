#include "handlers/event_dispatch/rights.h"

#include <algorithm>

#include "handlers/event_dispatch/refusal.h"
#include "http/ws_handshake.h"

namespace banyan::handlers {
namespace {

bool fits_any(const std::vector<std::string>& patterns, std::string_view name) {
  return std::any_of(patterns.begin(), patterns.end(),
                     [&](const std::string& pattern) { return fits_pattern(pattern, name); });
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? c + 32 : c; });
  return out;
}

}  // namespace

bool Grant::may_subscribe(std::string_view channel) const {
  return (!by_token || fits_any(allowed.channels, channel)) && was_asked_about(channel);
}

bool Grant::may_publish(std::string_view channel) const {
  return (!by_token || fits_any(allowed.publish, channel)) && was_asked_about(channel);
}

bool Grant::was_asked_about(std::string_view channel) const {
  return !authorized || std::find(authorized->begin(), authorized->end(), channel) != authorized->end();
}

Result<std::unique_ptr<Rights>> Rights::make(const SubscribeOptions& options) {
  std::optional<TokenCheck> tokens;
  if (options.wants_token()) {
    Result<TokenCheck> made = TokenCheck::make(options);
    if (!made.ok()) return std::move(made).error();
    tokens = *std::move(made);
  }
  return std::unique_ptr<Rights>(new Rights(options, std::move(tokens)));
}

bool Rights::origin_allowed(std::string_view origin, std::string_view host) const {
  if (origin.empty()) return true;
  if (!options_.origins.empty()) return fits_any(options_.origins, lower(origin));
  // Whoever is let in by cookies must not be made to come by a page of somebody else's.
  if (options_.authorize.empty()) return true;
  const size_t scheme = origin.find("://");
  return scheme != origin.npos && http::equal_ignoring_case(origin.substr(scheme + 3), host);
}

void Rights::add_cors_fields(std::string_view origin, http::Fields& fields) const {
  if (origin.empty() || options_.origins.empty() || !origin_allowed(origin, {})) return;
  fields.add_copy("Access-Control-Allow-Origin", origin);
  fields.add("Access-Control-Allow-Credentials", "true");
  fields.add("Vary", "Origin");
}

Result<Grant> Rights::grant(const http::RequestHead& request, std::string_view access_token,
                            WallTime now) const {
  Grant grant;
  grant.origin = request.fields.get(http::FieldId::origin);
  if (!origin_allowed(grant.origin, request.host)) {
    return client_error(403, "pages of this origin may not subscribe");
  }
  if (tokens_) grant.token = find_token(request, access_token);
  return check(std::move(grant), now);
}

Result<Grant> Rights::renew(const Grant& grant, WallTime now) const {
  if (!options_.origins.empty() && !origin_allowed(grant.origin, {})) {
    return client_error(403, "pages of this origin may not subscribe");
  }
  return check(grant, now);
}

Result<Grant> Rights::check(Grant grant, WallTime now) const {
  grant.allowed = {};
  grant.by_token = tokens_.has_value();
  if (options_.authorize.empty()) grant.authorized.reset();
  if (!tokens_) return grant;
  Result<Token> token = tokens_->check(grant.token, now);
  if (!token.ok()) return std::move(token).error();
  grant.allowed = *std::move(token);
  return grant;
}

std::string_view challenge_of(const Error& error, std::string_view token) {
  if (error.status != 401) return {};
  return token.empty() ? kTokenWanted : kInvalidToken;
}

std::string find_token(const http::RequestHead& request, std::string_view access_token) {
  const std::string_view authorization = request.fields.get(http::FieldId::authorization);
  constexpr std::string_view kBearer = "bearer ";
  if (http::equal_ignoring_case(authorization.substr(0, kBearer.size()), kBearer)) {
    return std::string(authorization.substr(kBearer.size()));
  }
  if (!access_token.empty()) return std::string(access_token);
  std::string token;
  http::each_list_element(http::joined_values(request.fields, "Sec-WebSocket-Protocol"),
                          [&](std::string_view protocol) {
                            if (protocol.starts_with(kTokenProtocol))
                              token = protocol.substr(kTokenProtocol.size());
                          });
  return token;
}

}  // namespace banyan::handlers
