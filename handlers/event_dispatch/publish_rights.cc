#include "handlers/event_dispatch/publish_rights.h"

#include "base/constant_time.h"
#include "handlers/event_dispatch/channel_names.h"

namespace banyan::handlers {
namespace {

constexpr std::string_view kWanted = "Bearer realm=\"banyan\"";
constexpr std::string_view kInvalid = "Bearer realm=\"banyan\", error=\"invalid_token\"";
constexpr std::string_view kScope = "Bearer realm=\"banyan\", error=\"insufficient_scope\"";

// By the tokens of subscribers.
PublishGrant grant_by_token(const http::RequestHead& request, const Rights& rights, WallTime now) {
  Result<Grant> grant = rights.grant(request, {}, now);
  if (grant.ok()) return {{}, *std::move(grant)};
  const int status = grant.error().status;
  return {refusal(status, grant.error().message, status == 401 ? kInvalid : std::string_view()), {}};
}

}  // namespace

PublishAnswer PublishGrant::judge(std::string_view channel) const {
  if (const char* problem = channel_name_problem(channel)) return refusal(400, problem);
  if (by_token && !by_token->may_publish(channel)) {
    return refusal(403, "the token does not allow to publish here", kScope);
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
  if (token.empty()) return {refusal(401, "a token is needed", kWanted), {}};
  if (equal_in_constant_time(token, options.publish_token.value)) return {};
  if (!with_tokens) return {refusal(401, "the token is wrong", kInvalid), {}};
  return grant_by_token(request, rights, now);
}

}  // namespace banyan::handlers
