#include "shm/labels.h"

#include <array>

namespace banyan::shm {
namespace {

template <size_t N>
using Texts = std::array<std::string_view, N>;

constexpr Texts<3> kSides = {"none", "legacy", "native"};
constexpr Texts<10> kMethods = {"GET",     "HEAD",    "POST",  "PUT",   "DELETE",
                                "CONNECT", "OPTIONS", "TRACE", "PATCH", "OTHER"};
constexpr Texts<8> kReasons = {"static", "hash", "cookie", "header", "lua", "forced", "fallback", "health"};
constexpr Texts<4> kFallbackReasons = {"error", "timeout", "status", "unavailable"};
constexpr Texts<8> kRejectReasons = {"rate",     "concurrency", "denied",   "body_size",
                                     "overload", "malformed",   "no_route", "loop"};
constexpr Texts<7> kConnectResults = {"ok", "refused", "timeout", "tls", "resolve", "limit", "other"};
constexpr Texts<3> kRetryReasons = {"connect", "reset", "timeout"};
constexpr Texts<8> kLuaResults = {"ok",     "runtime",    "wall",           "instructions",
                                  "memory", "bad_return", "unknown_target", "set_aside"};
constexpr Texts<5> kBatchResults = {"ok", "not_found", "timeout", "error", "rejected"};
constexpr Texts<4> kCacheResults = {"hit", "stale", "outdated", "miss"};
constexpr Texts<4> kEventTransports = {"websocket", "envelope", "sse", "long_poll"};
constexpr Texts<2> kEventDrops = {"queue_full", "closed"};
constexpr Texts<11> kEventCloses = {"client", "queue_full", "no_pong", "protocol", "too_fast",   "too_big",
                                    "rights", "moved",      "drain",   "gap",      "unavailable"};
constexpr Texts<2> kResumeResults = {"complete", "gap"};
constexpr Texts<7> kPublishResults = {"accepted",  "repeated", "invalid", "unauthorized",
                                      "too_large", "too_fast", "failed"};
constexpr Texts<2> kOutcomes = {"ok", "failed"};
constexpr Texts<3> kOverloadReasons = {"loop_lag", "descriptors", "memory"};

}  // namespace

std::span<const std::string_view> label_texts(LabelValues values) {
  switch (values) {
    case LabelValues::route:
    case LabelValues::upstream:
    case LabelValues::server:
    case LabelValues::handler:
    case LabelValues::script:
    case LabelValues::code:
      return {};
    case LabelValues::side:
      return kSides;
    case LabelValues::method:
      return kMethods;
    case LabelValues::reason:
      return kReasons;
    case LabelValues::fallback_reason:
      return kFallbackReasons;
    case LabelValues::reject_reason:
      return kRejectReasons;
    case LabelValues::connect_result:
      return kConnectResults;
    case LabelValues::retry_reason:
      return kRetryReasons;
    case LabelValues::lua_result:
      return kLuaResults;
    case LabelValues::batch_result:
      return kBatchResults;
    case LabelValues::outcome:
      return kOutcomes;
    case LabelValues::cache_result:
      return kCacheResults;
    case LabelValues::event_transport:
      return kEventTransports;
    case LabelValues::event_drop:
      return kEventDrops;
    case LabelValues::event_close:
      return kEventCloses;
    case LabelValues::resume_result:
      return kResumeResults;
    case LabelValues::publish_result:
      return kPublishResults;
    case LabelValues::overload_reason:
      return kOverloadReasons;
  }
  return {};
}

std::string_view overload_reason_name(OverloadReason reason) {
  return kOverloadReasons[static_cast<size_t>(reason)];
}
std::string_view side_name(Side side) { return kSides[static_cast<size_t>(side)]; }
std::string_view fallback_reason_name(FallbackReason reason) {
  return kFallbackReasons[static_cast<size_t>(reason)];
}
std::string_view reason_name(Reason reason) { return kReasons[static_cast<size_t>(reason)]; }

}  // namespace banyan::shm
