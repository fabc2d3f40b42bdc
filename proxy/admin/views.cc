#include "admin/views.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>

#include "admin/json.h"
#include "config/config.h"
#include "control/texts.h"
#include "shm/breaker.h"
#include "shm/processes.h"
#include "shm/servers.h"
#include "shm/tally.h"

namespace banyan::admin {
namespace {

using Totals = std::map<uint64_t, uint64_t>;

uint64_t value_of(const Totals& totals, uint64_t key) {
  auto found = totals.find(key);
  return found == totals.end() ? 0 : found->second;
}

// The sum over all series whose first label has that value.
uint64_t sum_of(const Totals& totals, shm::Metric metric, uint32_t first) {
  uint64_t sum = 0;
  auto end = totals.lower_bound(shm::series_key(metric, first + 1));
  for (auto it = totals.lower_bound(shm::series_key(metric, first)); it != end; ++it) sum += it->second;
  return sum;
}

Json seconds(std::chrono::microseconds time) { return std::chrono::duration<double>(time).count(); }

double seconds_until(TimePoint when, TimePoint now) {
  return std::max(0.0, std::chrono::duration<double>(when - now).count());
}

Json process_json(const shm::ProcessView& process) {
  Json json = {{"name", shm::process_name(process.slot)},         {"pid", process.pid},
               {"state", shm::process_state_name(process.state)}, {"generation", process.generation},
               {"started", control::time_text(process.started)},  {"restarts", process.restarts}};
  if (process.slot >= shm::kFirstWorkerSlot) {
    json["connections"] = process.connections;
    json["requests"] = process.requests;
    json["loop_lag_seconds"] = seconds(process.loop_lag);
  }
  return json;
}

Json reload_json(const ReloadResult& reload) {
  return {{"applied", reload.applied}, {"when", control::time_text(reload.when)}, {"lines", reload.lines}};
}

Json texts(const auto& list) {
  Json json = Json::array();
  for (const auto& element : list) json.push_back(element.text());
  return json;
}

Json route_json(const config::Route& route) {
  Json json = {{"name", route.name}, {"path", route.path.text()}};
  if (!route.hosts.empty()) json["hosts"] = route.hosts;
  if (!route.methods.empty()) json["methods"] = route.methods;
  for (const config::HeaderMatch& header : route.headers) json["headers"].push_back(header.name);
  if (route.target) json["target"] = route.target->text();
  if (route.redirect) json["redirect"] = {{"to", route.redirect->to}, {"status", route.redirect->status}};
  if (route.reply) json["reply"] = {{"status", route.reply->status}};
  if (!route.allow.empty()) json["allow"] = texts(route.allow);
  if (!route.deny.empty()) json["deny"] = texts(route.deny);
  json["where"] = route.where.text();
  return json;
}

std::string_view balance_name(config::Upstream::Balance balance) {
  switch (balance) {
    case config::Upstream::Balance::round_robin:
      return "round_robin";
    case config::Upstream::Balance::least_conn:
      return "least_conn";
    case config::Upstream::Balance::p2c:
      return "p2c";
    case config::Upstream::Balance::hash:
      return "hash";
  }
  return "round_robin";
}

Json server_json(const Sources& sources, const Totals& totals, const config::Upstream& upstream,
                 const config::Server& server) {
  using shm::Metric;
  const std::string address = server.address.text();
  const uint32_t number = sources.directory.find(shm::Kind::server, shm::server_name(upstream.name, address));
  const auto gauge = [&](Metric metric) {
    return static_cast<int64_t>(value_of(totals, shm::series_key(metric, number)));
  };
  const TimePoint now = sources.clock.now();
  const shm::Ejections ejections(sources.segment, number);
  Json json = {{"address", address},
               {"weight", server.weight},
               {"backup", server.backup},
               {"order", shm::server_order_name(shm::server_order(sources.segment, number))},
               {"health", shm::server_health_name(shm::server_health(sources.segment, number))},
               {"ejected", ejections.ejected(now)},
               {"active", gauge(Metric::upstream_connections_active)},
               {"idle", gauge(Metric::upstream_connections_idle)},
               {"requests", sum_of(totals, Metric::upstream_requests, number)},
               {"ejections", sum_of(totals, Metric::upstream_ejections, number)}};
  if (ejections.ejected(now)) json["ejected_seconds"] = seconds_until(ejections.until(), now);
  if (server.max_connections > 0) json["max_connections"] = server.max_connections;
  return json;
}

Json breaker_json(const Sources& sources, const config::Breaker& rules, uint32_t number) {
  const shm::Breaker breaker(
      sources.segment, number,
      {rules.failures, rules.requests, rules.window, rules.time, rules.time_max, rules.trials});
  Json json = {{"state", shm::breaker_state_name(breaker.state())}};
  if (breaker.state() == shm::BreakerState::open) {
    json["open_seconds"] = seconds_until(breaker.open_until(), sources.clock.now());
  }
  return json;
}

// How many requests of the routes to this rollout went to that side.
uint64_t decided(const Sources& sources, const Totals& totals, const std::string& rollout, shm::Side side) {
  uint64_t sum = 0;
  for (const config::Route& route : sources.backend.config().routes) {
    if (!route.target || route.target->kind != config::Target::Kind::rollout ||
        route.target->name != rollout) {
      continue;
    }
    const uint32_t number = sources.directory.find(shm::Kind::route, route.name);
    const uint32_t label = shm::value_of(side);
    auto end = totals.lower_bound(shm::series_key(shm::Metric::decisions, number, label + 1));
    for (auto it = totals.lower_bound(shm::series_key(shm::Metric::decisions, number, label)); it != end;
         ++it) {
      sum += it->second;
    }
  }
  return sum;
}

Json full_rollout_json(const Sources& sources, const Totals& totals, const control::RolloutView& view) {
  Json json = rollout_json(view);
  json["decisions"] = {{"legacy", decided(sources, totals, view.name, shm::Side::legacy)},
                       {"native", decided(sources, totals, view.name, shm::Side::native)}};
  return json;
}

void add_standing(const Sources& sources, Json& json) {
  const Standing& standing = sources.backend.standing();
  if (const auto& open = standing.unconfirmed) {
    json["unconfirmed"] = {{"number", open->number},
                           {"fallback", open->fallback},
                           {"seconds_left", seconds_until(open->until, sources.clock.now())},
                           {"who", open->who}};
  }
  if (const auto& back = standing.rolled_back) {
    json["rolled_back"] = {{"to", back->to}, {"who", back->who}, {"when", control::time_text(back->when)}};
  }
}

}  // namespace

Answer show_health(const Sources&, const Request&) { return json_reply({{"status", "ok"}}); }

Answer show_readiness(const Sources& sources, const Request&) {
  if (sources.backend.ready()) return json_reply({{"status", "ready"}});
  return problem(503, "not all workers are ready");
}

Answer show_status(const Sources& sources, const Request&) {
  Json processes = Json::array();
  uint64_t connections = 0;
  WallTime started = sources.clock.wall();
  uint32_t pid = 0;
  for (const shm::ProcessView& process : shm::list_processes(sources.segment)) {
    processes.push_back(process_json(process));
    connections += process.connections;
    if (process.slot == shm::kMasterSlot) {
      started = process.started;
      pid = process.pid;
    }
  }
  const Totals totals = shm::total_counters(sources.segment);
  uint64_t requests = 0;
  auto end = totals.lower_bound(shm::series_key(shm::Metric::http_request_duration));
  for (auto it = totals.lower_bound(shm::series_key(shm::Metric::http_requests)); it != end; ++it) {
    requests += it->second;
  }
  Json rollouts = Json::array();
  for (const control::RolloutView& view : sources.book.list()) {
    rollouts.push_back({{"name", view.name},
                        {"percent", percent_json(view.percent)},
                        {"state", rollout::phase_name(view.phase())}});
  }
  const auto uptime = std::chrono::duration_cast<std::chrono::seconds>(sources.clock.wall() - started);
  Json json = {{"version", sources.version},
               {"pid", pid},
               {"ready", sources.backend.ready()},
               {"started", control::time_text(started)},
               {"uptime_seconds", uptime.count()},
               {"generation", sources.backend.generation()},
               {"connections", connections},
               {"requests", requests},
               {"processes", processes},
               {"rollouts", rollouts},
               {"seccomp", sources.backend.seccomp()}};
  if (auto old = sources.backend.predecessor()) {
    json["draining"] = {{"pid", old->pid}, {"connections", old->connections}};
  }
  if (auto reload = sources.backend.last_reload()) json["last_reload"] = reload_json(*reload);
  add_standing(sources, json);
  return json_reply(json);
}

Answer show_config(const Sources& sources, const Request& request) {
  std::string toml = config::print(sources.backend.config());
  const std::string* format = request.find("format");
  if (format && *format == "toml") return Reply{200, "application/toml", std::move(toml), {}};
  return json_reply({{"generation", sources.backend.generation()}, {"toml", toml}});
}

Answer show_routes(const Sources& sources, const Request&) {
  Json routes = Json::array();
  for (const config::Route& route : sources.backend.config().routes) routes.push_back(route_json(route));
  return json_reply({{"routes", routes}});
}

Answer show_upstreams(const Sources& sources, const Request&) {
  const Totals totals = shm::total_counters(sources.segment);
  Json upstreams = Json::array();
  for (const config::Upstream& upstream : sources.backend.config().upstreams) {
    const uint32_t number = sources.directory.find(shm::Kind::upstream, upstream.name);
    const auto pending =
        static_cast<int64_t>(value_of(totals, shm::series_key(shm::Metric::upstream_pending, number)));
    Json servers = Json::array();
    for (const config::Server& server : upstream.servers) {
      servers.push_back(server_json(sources, totals, upstream, server));
    }
    Json json = {{"name", upstream.name},
                 {"balance", balance_name(upstream.balance)},
                 {"pending", pending},
                 {"servers", servers}};
    if (upstream.breaker) json["breaker"] = breaker_json(sources, *upstream.breaker, number);
    upstreams.push_back(std::move(json));
  }
  return json_reply({{"upstreams", upstreams}});
}

Answer show_handlers(const Sources& sources, const Request&) {
  Json handlers = Json::array();
  for (const config::HandlerEntry& handler : sources.backend.config().handlers) {
    handlers.push_back({{"name", handler.name}, {"type", handler.type}, {"where", handler.where.text()}});
  }
  return json_reply({{"handlers", handlers}});
}

Answer show_rollouts(const Sources& sources, const Request&) {
  const Totals totals = shm::total_counters(sources.segment);
  Json rollouts = Json::array();
  for (const control::RolloutView& view : sources.book.list()) {
    rollouts.push_back(full_rollout_json(sources, totals, view));
  }
  return json_reply({{"rollouts", rollouts}});
}

Answer show_rollout(const Sources& sources, const Request& request) {
  const std::string& name = request.segments[1];
  const std::optional<control::RolloutView> view = sources.book.find(name);
  if (!view) return problem(404, fmt::format("there is no rollout {}", name));
  return json_reply(full_rollout_json(sources, shm::total_counters(sources.segment), *view));
}

Answer show_journal(const Sources& sources, const Request& request) {
  size_t limit = 100;
  if (const std::string* text = request.find("limit")) {
    const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), limit);
    if (error != std::errc() || end != text->data() + text->size())
      return problem(400, "limit must be a number");
  }
  const std::string* rollout = request.find("rollout");
  Json entries = Json::array();
  for (const control::JournalEntry& entry : sources.book.history(limit, rollout ? *rollout : "")) {
    entries.push_back(Json::parse(control::journal_line(entry)));
  }
  return json_reply({{"entries", entries}});
}

}  // namespace banyan::admin
