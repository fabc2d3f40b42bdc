// Answers to requests that event_dispatch does not serve.
#pragma once

#include <string_view>

#include "base/buffer.h"
#include "base/error.h"
#include "handler/handler.h"

namespace banyan::handlers {

// What may be done with a channel, for Allow.
inline constexpr std::string_view kChannelMethods = "GET, POST, OPTIONS";

// For WWW-Authenticate (RFC 6750 section 3): a token is needed, it is not a good one, it does not allow that.
inline constexpr std::string_view kTokenWanted = "Bearer realm=\"banyan\"";
inline constexpr std::string_view kInvalidToken = "Bearer realm=\"banyan\", error=\"invalid_token\"";
inline constexpr std::string_view kInsufficientScope =
    "Bearer realm=\"banyan\", error=\"insufficient_scope\"";

// The error as application/problem+json (RFC 9457), with the fields that its status wants: Allow for 405,
// Upgrade and Sec-WebSocket-Version for 426, Retry-After for 429 and 503. `challenges` are its fields
// WWW-Authenticate, `allow` is what may be asked for instead, for 405.
void answer_refusal(handler::Call& call, BufferPools& buffers, const Error& error,
                    const http::Fields& challenges = {}, std::string_view allow = kChannelMethods);

}  // namespace banyan::handlers
