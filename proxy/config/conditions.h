// The forms of what a route asks of requests: path, host, method, header fields.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "config/formats.h"

namespace banyan::config {

// "/x", "/x/*" or "~ ^/x".
Format<PathMatch> path_match();
// A host without port, or "*.example.org"; in small letters afterwards.
Format<std::string> host();
// "GET"; CONNECT is refused.
Format<std::string> method();
// { X-Version = "2", X-Beta = true, X-Id = "~ ^[0-9]+$" }
Format<std::vector<HeaderMatch>> header_matches();

// What is wrong with the literal part of a path, "" if nothing.
std::string path_fault(std::string_view path);

}  // namespace banyan::config
