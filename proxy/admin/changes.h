// The pages about changes of the configuration: reload, confirm, history, rollback. The master does it all;
// these ask it. See process/change_control.h.
#pragma once

#include <string>
#include <vector>

#include "admin/api.h"
#include "admin/pages.h"
#include "admin/request.h"

namespace banyan::admin {

// Longest reason and name that are kept with a configuration.
inline constexpr size_t kLongestWhy = 400;
inline constexpr size_t kLongestWho = 200;

Answer order_reload(const Sources& sources, const Request& request);
Answer order_confirm(const Sources& sources, const Request& request);
Answer order_rollback(const Sources& sources, const Request& request);
Answer show_history(const Sources& sources, const Request& request);
Answer show_kept(const Sources& sources, const Request& request);

// {"applied": true, "generation": 7, "warnings": []}
Reply applied_reply(const Sources& sources, const std::vector<std::string>& lines);

}  // namespace banyan::admin
