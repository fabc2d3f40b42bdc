// Session tickets under the keys in shared memory. For tls_*.cc only.
#pragma once

#include <openssl/ssl.h>

#include "net/tls_context.h"

namespace banyan::net {

// The context seals and opens tickets with `keys`, which outlives all its connections.
bool use_ticket_keys(SSL_CTX* context, TlsTicketKeys& keys);

}  // namespace banyan::net
