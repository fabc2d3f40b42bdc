// OCSP responses that were fetched by somebody else and are handed out with the certificate ("stapling", RFC
// 6066 section 8). For tls_*.cc only.
#pragma once

#include <openssl/ssl.h>

#include "base/clock.h"
#include "net/tls_files.h"

namespace banyan::net {

// Makes the context hand out the response in `file` until its nextUpdate. Gives that time (the largest time
// if it has none). Errors: no response in DER form, an unsuccessful one, or one about another certificate.
Result<WallTime> use_ocsp_response(SSL_CTX* context, const config::FileRef& file, const X509* certificate);

}  // namespace banyan::net
