// Why a request goes where it goes: the data path's own functions, asked without a client.
#pragma once

#include "admin/backend.h"
#include "base/random.h"
#include "base/result.h"
#include "process/generation.h"

namespace banyan::process {

// Parses the request as if it had come from a client at request.client_ip (which the configuration may trust
// as a proxy), decides, and asks the upstream's balancer. Sends nothing; the script runs, and counts the
// call. Errors: 400 for what could not be sent as an HTTP/1.1 request.
Result<admin::Explanation> explain(Generation& generation, const admin::ExplainRequest& request,
                                   Random& random);

}  // namespace banyan::process
