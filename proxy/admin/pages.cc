#include "admin/pages.h"

#include <algorithm>
#include <array>
#include <string>

#include "admin/changes.h"
#include "admin/json.h"
#include "admin/orders.h"
#include "admin/views.h"

namespace banyan::admin {
namespace {

Answer show_index(const Sources& sources, const Request& request);

constexpr std::array kPages = {
    Page{"GET", "/", "this list", show_index},
    Page{"GET", "/healthz", "the controller answers", show_health},
    Page{"GET", "/readyz", "all workers are ready; 503 if not", show_readiness},
    Page{"GET", "/status", "processes, configuration, last reload", show_status},
    Page{"GET", "/config", "what runs, secrets redacted; format=toml for the bare text", show_config},
    Page{"GET", "/routes", "routes in the order of the configuration", show_routes},
    Page{"GET", "/upstreams", "groups and their servers", show_upstreams},
    Page{"GET", "/handlers", "in-process handlers", show_handlers},
    Page{"GET", "/rollouts", "rollouts and their percentages", show_rollouts},
    Page{"GET", "/rollouts/NAME", "one rollout", show_rollout},
    Page{"GET", "/journal", "orders, newest first; limit=100, rollout=NAME", show_journal},
    Page{"GET", "/metrics", "Prometheus text format", show_metrics},
    Page{"GET", "/explain",
         "where a request would go; url=, method=, header=Name: value, client_ip=", show_explanation},
    Page{"POST", "/rollouts/NAME/set", "set the percentage; {\"percent\": 25, \"why\": \"\"}", order_rollout},
    Page{"POST", "/rollouts/NAME/step", "take the schedule's next step; {\"why\": \"\", \"force\": false}",
         order_rollout},
    Page{"POST", "/rollouts/NAME/pause", "stop the schedule where it is; {\"why\": \"\"}", order_rollout},
    Page{"POST", "/rollouts/NAME/resume", "let the schedule go on; {\"why\": \"\"}", order_rollout},
    Page{"POST", "/rollouts/NAME/abort", "everybody to legacy; {\"why\": \"\"}", order_rollout},
    Page{"POST", "/rollouts/NAME/promote", "everybody to native; {\"why\": \"\"}", order_rollout},
    Page{"POST", "/rollouts/NAME/reset", "back to what the configuration says; {\"why\": \"\"}",
         order_rollout},
    Page{"POST", "/handlers/NAME/purge",
         "forget what is kept; {\"key\": \"a\"}, {\"prefix\": \"a/\"}, or {} for all", order_purge},
    Page{"POST", "/upstreams/NAME/servers/ADDRESS/up", "use the server", order_server_up},
    Page{"POST", "/upstreams/NAME/servers/ADDRESS/drain", "no new requests to the server",
         order_server_drain},
    Page{"POST", "/upstreams/NAME/servers/ADDRESS/down", "the same as drain, shown as down",
         order_server_down},
    Page{"GET", "/history", "the configurations that were in effect, newest first", show_history},
    Page{"GET", "/history/NUMBER", "one of them, secrets redacted", show_kept},
    Page{"POST", "/history/NUMBER/rollback", "load it; {\"why\": \"\", \"confirm\": \"5m\"}", order_rollback},
    Page{"POST", "/reload",
         "read the configuration again; answers when it is applied or refused; {\"why\": \"\", \"confirm\": "
         "\"5m\"}",
         order_reload},
    Page{"POST", "/confirm", "what a reload with \"confirm\" has loaded stays", order_confirm},
    Page{"POST", "/logs/reopen", "open log files again, after they were moved", order_reopen},
};

bool is_placeholder(std::string_view segment) { return segment[0] >= 'A' && segment[0] <= 'Z'; }

bool matches(std::string_view path, const std::vector<std::string>& segments) {
  size_t i = 0;
  path.remove_prefix(1);
  while (!path.empty()) {
    const size_t end = std::min(path.find('/'), path.size());
    const std::string_view part = path.substr(0, end);
    if (i == segments.size() || (!is_placeholder(part) && part != segments[i])) return false;
    path.remove_prefix(std::min(end + 1, path.size()));
    ++i;
  }
  return i == segments.size();
}

Answer show_index(const Sources& sources, const Request&) {
  Json list = Json::array();
  for (const Page& page : kPages) {
    list.push_back({{"method", page.method}, {"path", page.path}, {"summary", page.summary}});
  }
  return json_reply({{"program", "banyan"}, {"version", sources.version}, {"pages", list}});
}

}  // namespace

std::span<const Page> pages() { return kPages; }

Answer answer_request(const Sources& sources, const Request& request) {
  std::string allowed;
  for (const Page& page : kPages) {
    if (!matches(page.path, request.segments)) continue;
    if (page.method == request.method) return page.answer(sources, request);
    allowed = page.method == "GET" ? "GET, HEAD" : std::string(page.method);
  }
  if (allowed.empty()) return problem(404, "there is no such page; GET / lists them");
  Reply reply = problem(405, "this page takes " + allowed);
  reply.fields.emplace_back("Allow", allowed);
  return reply;
}

}  // namespace banyan::admin
