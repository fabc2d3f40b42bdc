// What a client says that it wants to get (RFC 9110 section 12.5).
#pragma once

#include <string_view>

#include "http/fields.h"

namespace banyan::http {

// True if Accept names this media type itself, and with a weight above zero (sections 12.4.2 and 12.5.1).
// Ranges such as "*/*" do not name it.
bool accepts_by_name(const Fields& fields, std::string_view media_type);

}  // namespace banyan::http
