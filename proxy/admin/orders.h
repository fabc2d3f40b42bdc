// The pages that change something (POST), one function each; see the table in pages.cc.
#pragma once

#include "admin/api.h"
#include "admin/pages.h"
#include "admin/request.h"

namespace banyan::admin {

// "/rollouts/NAME/VERB". REQUIRES: one of control::verb_rows().
Answer order_rollout(const Sources& sources, const Request& request);
Answer order_reopen(const Sources& sources, const Request& request);
Answer order_purge(const Sources& sources, const Request& request);
Answer order_server_up(const Sources& sources, const Request& request);
Answer order_server_drain(const Sources& sources, const Request& request);
Answer order_server_down(const Sources& sources, const Request& request);

}  // namespace banyan::admin
