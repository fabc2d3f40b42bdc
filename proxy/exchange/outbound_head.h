// The request as the target is to see it: a new value made from the client's.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "config/schema.h"
#include "exchange/identity.h"
#include "http/head.h"
#include "lua/outcome.h"
#include "route/route.h"

namespace banyan::exchange {

struct OutboundFacts {
  const http::RequestHead& request;
  const route::Route& route;
  const Identity& identity;
  uint16_t local_port;
  std::string_view via;        // our name; empty: no Via
  const lua::Outcome* script;  // may be null
  // The field by which trusted clients force a side; from others it does not travel on. Empty: none.
  std::string_view withheld;
  // The field that says how much time there is, and what it says; empty: none, and none of the client's.
  std::string_view timeout_field = {};
  std::string_view time_left = {};
};

// Fills `out`, whose views point into the facts and its own arena: rewritten path, end-to-end fields,
// X-Forwarded-For, -Proto, -Host, -Port and X-Real-IP (overwritten unless the peer is trusted), Via (RFC 9110
// section 7.6.3), X-Request-ID, traceparent, the time left, then the script's and the route's field rules.
void make_outbound_head(const OutboundFacts& facts, http::RequestHead& out);

// Applies a route's rules: remove, then set, then add. Views into `rules`.
void apply_rules(const config::HeaderRules& rules, http::Fields& fields);

// How many more proxies an OPTIONS or TRACE may pass, as Max-Forwards says (RFC 9110 section 7.6.2). Nothing
// for other methods, or when it says nothing that can be understood.
std::optional<uint32_t> forwards_left(const http::RequestHead& request);

// How often our own name stands in the request's Via fields: many times means a loop.
int via_count(const http::Fields& fields, std::string_view via);

}  // namespace banyan::exchange
