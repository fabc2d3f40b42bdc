// GET /explain: which way a request would take, said by the code that would send it.

#include <fmt/format.h>

#include "admin/json.h"
#include "admin/views.h"
#include "http/chars.h"

namespace banyan::admin {
namespace {

// "http://host:port/path?query", "//host/path" or "/path".
bool read_url(std::string_view url, ExplainRequest& request) {
  if (const size_t fragment = url.find('#'); fragment != url.npos) url = url.substr(0, fragment);
  request.tls = url.starts_with("https://");
  if (url.starts_with("http://")) url.remove_prefix(5);
  if (request.tls) url.remove_prefix(6);
  if (url.starts_with("//")) {
    url.remove_prefix(2);
    const size_t end = std::min(url.find_first_of("/?"), url.size());
    request.host = url.substr(0, end);
    url.remove_prefix(end);
    if (request.host.empty()) return false;
  } else if (!url.starts_with('/')) {
    return false;
  }
  request.path = url.starts_with('/') ? std::string(url) : "/" + std::string(url);
  return true;
}

bool read_header(std::string_view text, ExplainRequest& request) {
  const size_t colon = text.find(':');
  if (colon == text.npos || colon == 0) return false;
  request.headers.emplace_back(text.substr(0, colon), http::chars::trim(text.substr(colon + 1)));
  return true;
}

Result<ExplainRequest> read_request(const Request& request) {
  ExplainRequest explained;
  bool has_url = false;
  for (const auto& [name, value] : request.parameters) {
    if (name == "url") {
      has_url = true;
      if (!read_url(value, explained)) return client_error(400, "url must be a path or begin with http://");
    } else if (name == "method") {
      explained.method = value;
    } else if (name == "client_ip") {
      explained.client_ip = value;
    } else if (name == "header") {
      if (!read_header(value, explained)) return client_error(400, "header must be \"Name: value\"");
    } else {
      return client_error(400, fmt::format("unknown parameter \"{}\"", name));
    }
  }
  if (!has_url) return client_error(400, "url= is missing");
  return explained;
}

// What does not apply is left out.
void add(Json& json, const char* key, const std::string& text) {
  if (!text.empty()) json[key] = text;
}

void add_rollout(Json& json, const Explanation& explanation) {
  if (explanation.rollout.empty()) return;
  json["rollout"] = explanation.rollout;
  json["side"] = shm::side_name(explanation.side);
  json["reason"] = shm::reason_name(explanation.reason);
  add(json, "key_source", explanation.key_source);
  add(json, "key", explanation.key);
  if (explanation.bucket) json["bucket"] = *explanation.bucket;
  if (explanation.percent) json["percent"] = percent_json(*explanation.percent);
}

}  // namespace

Answer show_explanation(const Sources& sources, const Request& request) {
  Result<ExplainRequest> explained = read_request(request);
  if (!explained) return problem(explained.error().status, explained.error().message);
  Result<Explanation> explanation = sources.backend.explain(*explained);
  if (!explanation) return problem(explanation.error().status, explanation.error().message);
  Json json = {{"method", explained->method}, {"host", explained->host}, {"path", explained->path}};
  json["route"] = explanation->route.empty() ? Json() : Json(explanation->route);
  add(json, "rule", explanation->rule);
  add(json, "where", explanation->where);
  add(json, "target", explanation->target);
  if (explanation->status) json["status"] = explanation->status;
  for (const auto& [name, value] : explanation->lua) json["lua"][name] = value;
  add_rollout(json, *explanation);
  add(json, "destination", explanation->destination);
  add(json, "server", explanation->server);
  return json_reply(json);
}

}  // namespace banyan::admin
