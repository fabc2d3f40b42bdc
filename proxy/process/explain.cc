#include "process/explain.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "base/buffer.h"
#include "base/stable_hash.h"
#include "exchange/identity.h"
#include "http/h1_parser.h"
#include "rollout/request_keys.h"
#include "route/decide.h"
#include "upstream/group.h"

namespace banyan::process {
namespace {

bool has_line_break(std::string_view text) { return text.find_first_of("\r\n") != std::string_view::npos; }

// What a client would write.
Result<std::string> head_text(const admin::ExplainRequest& request) {
  std::string text = fmt::format("{} {} HTTP/1.1\r\n", request.method, request.path);
  bool broken =
      has_line_break(request.method) || has_line_break(request.path) || has_line_break(request.host);
  bool has_host = false;
  for (const auto& [name, value] : request.headers) {
    broken = broken || has_line_break(name) || has_line_break(value);
    has_host = has_host || http::equal_ignoring_case(name, "Host");
    text += fmt::format("{}: {}\r\n", name, value);
  }
  if (broken) return client_error(400, "a line break is not allowed in a request");
  if (!has_host) text += fmt::format("Host: {}\r\n", request.host.empty() ? "localhost" : request.host);
  return text + "\r\n";
}

Result<void> parse_head(const std::string& text, BlockPool& blocks, http::RequestHead& head) {
  BlockRef block = blocks.take();
  if (text.size() > block.capacity()) return client_error(431, "the request is too large");
  std::memcpy(block.bytes(), text.data(), text.size());
  http::H1HeadProgress progress;
  auto size = http::parse_request_head(block, 0, text.size(), {}, progress, head);
  if (!size) return size.error();
  if (*size != text.size()) return client_error(400, "this is more or less than one request");
  return {};
}

void add(admin::Explanation& explanation, std::string_view name, std::string value) {
  explanation.lua.emplace_back(name, std::move(value));
}

void explain_script(const lua::CallResult& result, admin::Explanation& explanation) {
  const lua::Outcome& outcome = result.outcome;
  if (!result.ok()) add(explanation, "error", result.message);
  if (outcome.target) add(explanation, "target", *outcome.target);
  if (outcome.side) add(explanation, "side", *outcome.side == lua::Side::native ? "native" : "legacy");
  if (outcome.percent) add(explanation, "percent", fmt::format("{}", *outcome.percent));
  if (outcome.key) add(explanation, "key", *outcome.key);
  if (outcome.reason) add(explanation, "reason", *outcome.reason);
  if (outcome.status) add(explanation, "status", fmt::format("{}", *outcome.status));
  if (outcome.body) add(explanation, "body", *outcome.body);
  for (const auto& [name, value] : outcome.set_headers) add(explanation, "set_headers." + name, value);
}

void explain_rollout(const route::RolloutTarget& target, const rollout::Decision& decision,
                     admin::Explanation& explanation) {
  explanation.rollout = target.plan.name;
  explanation.percent = decision.percent;
  explanation.bucket = decision.bucket;
  explanation.key_source = rollout::key_source_name(decision.key.source);
  if (!decision.key.name.empty()) explanation.key_source += fmt::format(":{}", decision.key.name);
  explanation.key = decision.key.value;
}

std::string static_target(const config::Route& rules) {
  if (rules.target) return rules.target->text();
  return rules.redirect ? "redirect" : "reply";
}

// The status of an answer that needs no target, else 0.
int own_status(const route::Decision& decision) {
  if (!decision.route) return decision.other_method ? 405 : 404;
  if (const lua::Outcome* outcome = decision.outcome(); outcome && outcome->status) return *outcome->status;
  const config::Route& rules = decision.route->rules();
  if (decision.endpoint) return 0;
  return static_cast<int>(rules.redirect ? rules.redirect->status : rules.reply->status);
}

std::string rule_text(const config::Route& rules) {
  return rules.hosts.empty() ? rules.path.text()
                             : fmt::format("{} {}", fmt::join(rules.hosts, ","), rules.path.text());
}

std::string picked_server(Generation& generation, std::string_view endpoint, const http::RequestHead& head,
                          std::string_view client_ip) {
  constexpr std::string_view kPrefix = "upstream.";
  if (!endpoint.starts_with(kPrefix)) return {};
  upstream::Group* group = generation.find_group(endpoint.substr(kPrefix.size()));
  if (!group) return {};
  rollout::RequestKeys keys(head, client_ip);
  uint64_t hash = stable_hash(rollout::find_sticky_key({&group->settings().hash, 1}, keys).value);
  upstream::Server* server = group->pick(hash, 0);
  return server ? server->name() : std::string();
}

}  // namespace

Result<admin::Explanation> explain(Generation& generation, const admin::ExplainRequest& request,
                                   Random& random) {
  auto peer =
      request.client_ip == "unix:" ? net::IpAddress::unix_peer() : net::IpAddress::parse(request.client_ip);
  if (!peer) return client_error(400, "client_ip is not an address: " + request.client_ip);
  Result<std::string> text = head_text(request);
  if (!text) return std::move(text).error();
  BlockPool blocks(std::max(BufferPools::kLarge, text->size()), 0);
  http::RequestHead head;
  if (Result<void> parsed = parse_head(*text, blocks, head); !parsed) {
    return client_error(
        400, fmt::format("a client would get {}: {}", parsed.error().status, parsed.error().message));
  }
  exchange::Identity identity(head, *peer, request.tls, {}, generation.config().trusted_proxies, random);
  std::shared_ptr<const exchange::Site> site = generation.site();
  route::Decision decision =
      route::decide(*site->router, *site->targets, site->script,
                    {head, identity.client(), identity.address().bytes(), random.next()});
  admin::Explanation explanation;
  explanation.status = own_status(decision);
  if (decision.script) explain_script(*decision.script, explanation);
  if (!decision.route) return explanation;
  const config::Route& rules = decision.route->rules();
  explanation.route = rules.name;
  explanation.rule = rule_text(rules);
  explanation.where = rules.where.text();
  explanation.target = static_target(rules);
  explanation.side = decision.side;
  explanation.reason = decision.reason;
  if (decision.rollout) explain_rollout(*decision.rollout, decision.rolled, explanation);
  if (decision.endpoint && explanation.status == 0) {
    explanation.destination = decision.endpoint->name;
    explanation.server = picked_server(generation, decision.endpoint->name, head, identity.client().ip);
  }
  return explanation;
}

}  // namespace banyan::process
