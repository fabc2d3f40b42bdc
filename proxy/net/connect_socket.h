// Opening connections to upstreams.
#pragma once

#include "base/result.h"
#include "net/ip_address.h"

namespace banyan::net {

// A socket connecting to `address`: non-blocking, close-on-exec, TCP_NODELAY if TCP; belongs to the caller.
// The attempt is under way or done when this returns: writability tells its end, take_connect_error()
// (net/stream.h) the outcome. What the kernel refuses at once (nobody listens on the unix socket, no route,
// no descriptor) is an error.
Result<int> open_connecting_socket(const SocketAddress& address);

// The error of an attempt that failed with this errno (from take_connect_error): type of RFC 9209
// section 2.3, status 502 (504 for a time-out), nothing_sent; 503 and Fault::proxy for what this process
// lacks. "connect to 127.0.0.1:80: Connection refused".
Error connect_error(const SocketAddress& address, int error_number);

}  // namespace banyan::net
