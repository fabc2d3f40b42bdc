// The answer's head as the client is to see it: a new value made from the target's.
#pragma once

#include <string_view>

#include "base/error.h"
#include "http/head.h"

namespace banyan::exchange {

// Fills `out`, whose views point into `head`, `request` and its own arena: status, end-to-end fields, the
// size of a body that is only told of (RFC 9110 section 8.6), Upgrade with 101 and 426, and Via
// (section 7.6.3) with the name `via`; empty: none.
void make_answer_head(const http::RequestHead& request, const http::ResponseHead& head, std::string_view via,
                      http::ResponseHead& out);

// What an error's own answer says in fields: Proxy-Status (RFC 9209) of the proxy `name` unless the client is
// at fault, and when to come back.
void add_error_fields(const Error& error, std::string_view name, http::Fields& fields);

}  // namespace banyan::exchange
