// Answers to requests that event_dispatch does not serve.
#pragma once

#include "base/buffer.h"
#include "base/error.h"
#include "handler/handler.h"

namespace banyan::handlers {

// The error as application/problem+json (RFC 9457), with the fields that its status wants: Allow for 405,
// Upgrade and Sec-WebSocket-Version for 426, WWW-Authenticate for 401, Retry-After for 429 and 503.
// `allow` is what may be asked for instead, for 405.
constexpr std::string_view kChannelMethods = "GET, POST, OPTIONS";
void answer_refusal(handler::Call& call, BufferPools& buffers, const Error& error,
                    std::string_view allow = kChannelMethods);

}  // namespace banyan::handlers
