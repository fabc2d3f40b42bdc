#include "handlers/event_dispatch/publish_rights.h"

#include "base/constant_time.h"
#include "handlers/event_dispatch/channel_names.h"
#include "handlers/event_dispatch/refusal.h"

namespace banyan::handlers {
namespace {

// By the tokens of subscribers.
PublishGrant grant_by_token(const http::RequestHead& request, const Rights& rights, std::string_view token,
                            WallTime now) {
  Result<Grant> grant = rights.grant(request, {}, now);
  if (grant.ok()) return {{}, *std::move(grant)};
  const Error& error = grant.error();
  return {refusal(error.status, error.message, challenge_of(error, token)), {}};
}

}  // namespace

PublishAnswer PublishGrant::judge(std::string_view channel) const {
  if (const char* problem = channel_name_problem(channel)) return refusal(400, problem);
  if (by_token && !by_token->may_publish(channel)) {
    return refusal(403, "the token does not allow to publish here", kInsufficientScope);
  }
  return {};
}

PublishGrant grant_publishing(const http::RequestHead& request, const EventDispatchOptions& options,
                              const Rights& rights, WallTime now) {
  // A page of somebody else's could let its visitors publish (text/plain needs no preflight).
  if (!rights.origin_allowed(request.fields.get(http::FieldId::origin), request.host)) {
    return {refusal(403, "pages of this origin may not publish"), {}};
  }
  const bool with_tokens = rights.options().wants_token();
  if (options.publish_token.empty() && !with_tokens) return {};
  const std::string token = find_token(request, {});
  if (token.empty()) return {refusal(401, "a token is needed", kTokenWanted), {}};
  if (equal_in_constant_time(token, options.publish_token.value)) return {};
  if (!with_tokens) return {refusal(401, "the token is wrong", kInvalidToken), {}};
  return grant_by_token(request, rights, token, now);
}

}  // namespace banyan::handlers
