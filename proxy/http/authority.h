// The authority of a request: what stands in Host and in the absolute form of a target.
#pragma once

#include <string_view>

#include "base/result.h"

namespace banyan::http {

// Checks `uri-host [":" port]` (RFC 9110 section 7.2, RFC 3986 section 3.2) and returns it without the colon
// of an empty port; case and a trailing dot stay as they are. Stricter than the grammar where names could be
// taken for each other or reach into a local network's scope: percent-encodings, IPvFuture and zone ids are
// refused. Userinfo, ports above 65535 and everything outside of the grammar are refused, too. The empty text
// is accepted. Errors have status 400.
Result<std::string_view> parse_authority(std::string_view text);

}  // namespace banyan::http
