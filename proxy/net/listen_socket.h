// Opening listening sockets. The master opens them once, with its privileges; workers inherit and share them,
// so the kernel's queue of waiting clients outlives every worker.
#pragma once

#include <sys/types.h>

#include "base/clock.h"
#include "base/result.h"
#include "config/values.h"

namespace banyan::net {

struct ListenOptions {
  int backlog = 1024;       // the kernel limits it to net.core.somaxconn
  mode_t unix_mode = 0666;  // of a unix socket's file; who may connect (nginx: 0666)
  // Until when an address that somebody else listens on is tried again, while the caller waits; once by
  // default. The workers of a master that was killed need a moment to end (nginx tries five times in 2.5 s).
  TimePoint in_use_until{};
};

// A bound, listening, non-blocking, close-on-exec socket, which belongs to the caller. SO_REUSEADDR is set;
// [::] does not take IPv4 clients (as in nginx: listen on 0.0.0.0 too). Port 0 lets the kernel choose, see
// SocketAddress::of_bound.
//
// A unix socket's file that is left over, so that nobody listens any more, is replaced; one that is served,
// or a file that is no socket, is an error. Errors name the address: "listen on 0.0.0.0:80: Permission
// denied".
Result<int> open_listen_socket(const config::Address& address, const ListenOptions& options);

// For the orderly end: removes the file of a unix socket. Nothing for other addresses.
void remove_socket_file(const config::Address& address);

}  // namespace banyan::net
