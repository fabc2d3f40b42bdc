#include "admin/orders.h"

#include <fmt/format.h>

#include "admin/body.h"
#include "admin/changes.h"
#include "admin/json.h"
#include "base/check.h"
#include "base/log.h"
#include "control/texts.h"
#include "shm/servers.h"

namespace banyan::admin {
namespace {

bool take_percent(Json& body, uint32_t& percent) {
  auto found = body.find("percent");
  if (found == body.end() || !found->is_number()) return false;
  if (!control::to_hundredths(found->get<double>(), percent)) return false;
  body.erase(found);
  return true;
}

// Only orders that can raise the percentage know it.
bool take_force(Json& body, const control::VerbRow& row, bool& force) {
  auto found = body.find("force");
  if (found == body.end() || !row.can_raise) return true;
  if (!found->is_boolean()) return false;
  force = found->get<bool>();
  body.erase(found);
  return true;
}

Result<control::Order> read_order(const Request& request, const control::VerbRow& row) {
  Result<Json> body = parse_body(request);
  if (!body) return std::move(body).error();
  control::Order order;
  order.rollout = request.segments[1];
  order.verb = row.verb;
  if (row.verb == control::Verb::set && !take_percent(*body, order.percent)) {
    return client_error(422, "\"percent\" must be a number from 0 to 100 with at most two decimals");
  }
  if (!take_text(*body, "who", order.who)) return client_error(422, "\"who\" must be a text");
  if (!take_text(*body, "why", order.why)) return client_error(422, "\"why\" must be a text");
  if (!take_force(*body, row, order.force)) return client_error(422, "\"force\" must be true or false");
  if (!body->empty()) return client_error(422, fmt::format("unknown key \"{}\"", body->begin().key()));
  order.who = full_name(order.who, request);
  return order;
}

// "/upstreams/NAME/servers/ADDRESS/…"
Answer order_server(const Sources& sources, const Request& request, shm::ServerOrder order) {
  const std::string& name = request.segments[1];
  const std::string& address = request.segments[3];
  const config::Upstream* upstream = sources.backend.config().find_upstream(name);
  if (!upstream) return problem(404, fmt::format("there is no upstream {}", name));
  for (const config::Server& server : upstream->servers) {
    if (server.address.text() != address) continue;
    const uint32_t number = sources.directory.find(shm::Kind::server, shm::server_name(name, address));
    if (number == 0) return problem(503, "this server is not in use yet");
    if (order == shm::ServerOrder::up && shm::server_order(sources.segment, number) != order) {
      shm::set_server_recovered(sources.segment, number, sources.clock.now());
    }
    shm::set_server_order(sources.segment, number, order);
    LOG(notice, "upstream {}: server {} is {} by order over {}", name, address, shm::server_order_name(order),
        request.door);
    return json_reply({{"upstream", name}, {"server", address}, {"order", shm::server_order_name(order)}});
  }
  return problem(404, fmt::format("upstream {} has no server {}", name, address));
}

}  // namespace

Answer order_rollout(const Sources& sources, const Request& request) {
  const control::VerbRow* row = control::find_verb(request.segments[2]);
  CHECK(row != nullptr);  // the table of pages names no other
  Result<control::Order> order = read_order(request, *row);
  if (!order) return problem(order.error().status, order.error().message);
  Result<control::RolloutView> view = sources.book.carry_out(*order);
  if (!view) return problem(view.error().status, view.error().message);
  return json_reply(rollout_json(*view));
}

Answer order_reopen(const Sources& sources, const Request&) {
  return Waiting{sources.backend.ask_reopen(), applied_reply};
}

// "/handlers/NAME/purge": {"key": "a"}, {"prefix": "a/"}, or nothing for all.
Answer order_purge(const Sources& sources, const Request& request) {
  Result<Json> body = parse_body(request);
  if (!body) return problem(body.error().status, body.error().message);
  std::string key, prefix, why;
  const bool has_key = body->contains("key"), has_prefix = body->contains("prefix");
  for (const auto& [name, text] : {std::pair{"key", &key}, {"prefix", &prefix}, {"why", &why}}) {
    if (!take_text(*body, name, *text)) return problem(422, fmt::format("\"{}\" must be a text", name));
  }
  if (!body->empty()) return problem(422, fmt::format("unknown key \"{}\"", body->begin().key()));
  if (has_key && has_prefix) return problem(422, "give either \"key\" or \"prefix\"");
  if ((has_key && key.empty()) || (has_prefix && prefix.empty())) {
    return problem(422, "\"key\" and \"prefix\" must not be empty; give neither to purge all");
  }
  handler::Purge purge;
  if (has_key) purge = {handler::Purge::What::key, key};
  if (has_prefix) purge = {handler::Purge::What::prefix, prefix};
  const std::string& name = request.segments[1];
  Result<void> done = sources.backend.purge(name, purge);
  if (!done) return problem(done.error().status, done.error().message);
  const std::string what = has_key ? "key " + key : has_prefix ? "keys that begin with " + prefix : "all";
  LOG(notice, "handler {}: purged: {}, by order over {}{}{}", name, what, request.door,
      why.empty() ? "" : ": ", why);
  return json_reply({{"handler", name}, {"purged", what}});
}

Answer order_server_up(const Sources& sources, const Request& request) {
  return order_server(sources, request, shm::ServerOrder::up);
}
Answer order_server_drain(const Sources& sources, const Request& request) {
  return order_server(sources, request, shm::ServerOrder::drain);
}
Answer order_server_down(const Sources& sources, const Request& request) {
  return order_server(sources, request, shm::ServerOrder::down);
}

}  // namespace banyan::admin
