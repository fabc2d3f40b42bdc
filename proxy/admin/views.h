// The pages that are read (GET), one function each; see the table in pages.cc for what they are.
#pragma once

#include "admin/api.h"
#include "admin/pages.h"
#include "admin/reply.h"
#include "admin/request.h"

namespace banyan::admin {

Answer show_health(const Sources& sources, const Request& request);
Answer show_readiness(const Sources& sources, const Request& request);
Answer show_status(const Sources& sources, const Request& request);
Answer show_config(const Sources& sources, const Request& request);
Answer show_routes(const Sources& sources, const Request& request);
Answer show_upstreams(const Sources& sources, const Request& request);
Answer show_handlers(const Sources& sources, const Request& request);
Answer show_rollouts(const Sources& sources, const Request& request);
Answer show_rollout(const Sources& sources, const Request& request);
Answer show_journal(const Sources& sources, const Request& request);
Answer show_metrics(const Sources& sources, const Request& request);
Answer show_explanation(const Sources& sources, const Request& request);

}  // namespace banyan::admin
