// Which form of answer a client asks for (RFC 9110 section 12).
#pragma once

#include "http/fields.h"

namespace banyan::handlers {

enum class Format { json, lines, multipart };

// The one of application/json, application/x-ndjson and multipart/mixed with the highest weight in Accept,
// which the range that names it most closely gives; among equals the one that is named more closely, then the
// one that is listed first. JSON when none is acceptable.
Format preferred_format(const http::Fields& fields);

// Whether Accept-Encoding names gzip (or x-gzip, or *) with a weight above 0, and not below that of identity.
bool prefers_gzip(const http::Fields& fields);

}  // namespace banyan::handlers
