// What a client gets to read when the proxy itself has to say that something went wrong.
#pragma once

#include <string>
#include <string_view>

namespace banyan::http {

// The body: application/problem+json (RFC 9457) for clients that accept JSON, else one line of text. `detail`
// may be empty; it is what the client may know, not what the log knows.
std::string error_body(int status, std::string_view detail, bool json);
std::string_view error_content_type(bool json);
// True if an Accept value names JSON.
bool accepts_json(std::string_view accept);

// Appends a whole response that closes the connection, for requests that could not be understood. `date` is
// the value of Date.
void write_error_response(int status, std::string_view detail, std::string_view date, std::string& out);

}  // namespace banyan::http
