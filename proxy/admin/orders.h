// The pages that change something (POST), one function each; see the table in pages.cc.
#pragma once

#include "admin/api.h"
#include "admin/pages.h"
#include "admin/request.h"

namespace banyan::admin {

Answer order_set(const Sources& sources, const Request& request);
Answer order_step(const Sources& sources, const Request& request);
Answer order_pause(const Sources& sources, const Request& request);
Answer order_resume(const Sources& sources, const Request& request);
Answer order_abort(const Sources& sources, const Request& request);
Answer order_promote(const Sources& sources, const Request& request);
Answer order_reset(const Sources& sources, const Request& request);
Answer order_reload(const Sources& sources, const Request& request);
Answer order_reopen(const Sources& sources, const Request& request);
Answer order_purge(const Sources& sources, const Request& request);
Answer order_server_up(const Sources& sources, const Request& request);
Answer order_server_drain(const Sources& sources, const Request& request);
Answer order_server_down(const Sources& sources, const Request& request);

}  // namespace banyan::admin
