#include "exchange/ending.h"

namespace banyan::exchange {

Compared compared_side(const route::Decision& decision) {
  if (!decision.rollout || !decision.rolled.bucket_used || !decision.endpoint) return {};
  if (const lua::Outcome* outcome = decision.outcome(); outcome && outcome->percent) return {};
  if (decision.reason == shm::Reason::health) return {shm::Side::native, true};
  return {decision.side, false};
}

std::optional<shm::Ending> ending_of(const EndFacts& facts) {
  using shm::Ending;
  if (facts.fell_back) return Ending::fallback;
  if (facts.end == http::StreamEnd::shutdown) return std::nullopt;
  if (facts.error && facts.error->fault != Fault::client) {
    return facts.error->status == 504 ? Ending::timeout : Ending::failed;
  }
  if (facts.status >= 500) return Ending::server_error;
  switch (facts.end) {
    case http::StreamEnd::client_gone:
    case http::StreamEnd::client_slow:
      return Ending::client_gone;
    case http::StreamEnd::broken_off:
      return facts.error ? Ending::client_gone : Ending::failed;
    case http::StreamEnd::complete:
    case http::StreamEnd::shutdown:
      break;
  }
  return Ending::answered;
}

bool is_event_stream(const http::ResponseHead& head) {
  constexpr std::string_view kEvents = "text/event-stream";
  const std::string_view type = head.fields.get(http::FieldId::content_type);
  return http::equal_ignoring_case(type.substr(0, kEvents.size()), kEvents);
}

bool is_endless(const http::ResponseHead& head) { return head.status == 101 || is_event_stream(head); }

}  // namespace banyan::exchange
