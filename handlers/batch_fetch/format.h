// Which form of answer a client asks for (RFC 9110 section 12).
#pragma once

#include "http/fields.h"

namespace banyan::handlers {

enum class Format { json, lines, multipart };

// The one of application/json, application/x-ndjson and multipart/mixed with the highest weight in Accept;
// among equals the one that is listed first. JSON when none is listed.
Format preferred_format(const http::Fields& fields);

// Whether Accept-Encoding names gzip (or x-gzip, or *) with a weight above 0.
bool accepts_gzip(const http::Fields& fields);

}  // namespace banyan::handlers
