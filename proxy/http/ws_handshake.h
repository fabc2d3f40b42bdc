// The opening handshake of the WebSocket protocol, the server's side (RFC 6455 section 4.2).
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "http/head.h"

namespace banyan::http {

// Whether the request asks for a WebSocket at all: its Upgrade is "websocket" (of a list, the parser
// leaves that; "websocket/13" is something else). If not, it is none of ours.
bool asks_for_websocket(const RequestHead& request);

// The value of Sec-WebSocket-Accept for a request that asks_for_websocket(). Errors, the client's: 400 for
// another method than GET, HTTP/1.0, a missing or wrong key, subprotocols or extensions that are not what
// sections 4.1 and 9.1 say (what they mean is not looked at); 426 for another version than 13 (answer with
// "Sec-WebSocket-Version: 13", section 4.4).
Result<std::string> accept_websocket(const RequestHead& request);

// All values of a list field, such as Sec-WebSocket-Protocol or Sec-WebSocket-Extensions, joined by commas.
std::string joined_values(const Fields& fields, std::string_view name);

// True if the client offers that subprotocol (case-sensitive, section 4.1).
bool offers_subprotocol(const RequestHead& request, std::string_view protocol);

}  // namespace banyan::http
