// The tables of the schema: one row for each key of banyan.toml.
#pragma once

#include "config/schema.h"
#include "config/section.h"

namespace banyan::config {

// The table of the whole file. Cross references between tables are check()'s.
const Section<Config>& root_section();

// In tables_client.cc, tables_upstream.cc, tables_rollout.cc, tables_schedule.cc and tables_route.cc.
const Section<Client>& client_section();
const Section<Overload>& overload_section();
const Section<Listener>& listener_section();
const Section<Upstream>& upstream_section();
const Section<Rollout>& rollout_section();
const Section<RolloutStep>& rollout_step_section();
const Section<Freeze>& freeze_section();
const Section<Gate>& gate_section();
const Section<RolloutHook>& rollout_hook_section();
const Section<Route>& route_section();

// Reports what is wrong between the keys of a rollout's schedule and gate.
void check_schedule(Rollout& rollout, const Value& value);

// Gives every route without a name one from its host and path, with the methods or a number where that is not
// unique.
void name_routes(std::vector<Route>& routes);

// Reports what is wrong between tables: names that are not there, duplicates, what nothing uses. `root` is
// the table that the configuration was read from.
void check(const Config& config, const Value& root);

}  // namespace banyan::config
