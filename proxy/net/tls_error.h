// OpenSSL's error queue as text.
#pragma once

#include <string>

namespace banyan::net {

// The oldest error of this thread's queue, which is the cause of the others ("no shared cipher"), or "unknown
// error". Empties the queue.
std::string take_tls_error();

}  // namespace banyan::net
