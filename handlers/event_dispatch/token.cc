#include "handlers/event_dispatch/token.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

namespace banyan::handlers {
namespace {

using Json = nlohmann::json;

// The clock counts nanoseconds in 64 bits, which end in 2262.
constexpr double kLatest = 9e9;

// Seconds since 1970, with or without a fraction (RFC 7519 section 2, NumericDate). What lies beyond the
// clock counts as its end.
std::optional<WallTime> read_time(const Json& claims, const char* name, bool& wrong) {
  const auto found = claims.find(name);
  if (found == claims.end()) return std::nullopt;
  if (!found->is_number()) {
    wrong = true;
    return std::nullopt;
  }
  const double seconds = std::clamp(found->get<double>(), 0.0, kLatest);
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
    return TokenCheck(JwsKey::of_secret(options.jwt_secret.value), options.audience, options.claim);
  }
  Result<JwsKey> key = JwsKey::read_public(options.jwt_public_key.content);
  if (!key.ok()) {
    return proxy_error(fmt::format("{}: {}", options.jwt_public_key.path, key.error().message));
  }
  return TokenCheck(*std::move(key), options.audience, options.claim);
}

Result<Token> TokenCheck::check(const std::string& text, WallTime now) const {
  if (text.empty()) return refused("a token is needed");
  const Result<std::string> payload = key_.verify(text);
  if (!payload.ok()) return payload.error();
  const Json claims = read_unique_members(*payload);
  if (claims.is_discarded()) return refused("the token has no claims");

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
