// The JSON bodies of orders. For .cc files of this folder only, as json.h.
#pragma once

#include <string>

#include "admin/json.h"
#include "admin/request.h"
#include "base/result.h"

namespace banyan::admin {

// The body of an order: an object, or nothing at all. Errors: 400.
Result<Json> parse_body(const Request& request);
// Takes a text out of the body. False if it is something else.
bool take_text(Json& body, const char* key, std::string& text);
// Who orders, for journal and history: "anna over unix socket"; `name` is what the client says, if anything.
std::string full_name(const std::string& name, const Request& request);

}  // namespace banyan::admin
