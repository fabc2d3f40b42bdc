// A request made of texts, for the tests of this folder.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "lua/request_view.h"
#include "lua/script.h"

namespace banyan::lua {

struct Request final : RequestView {
  std::string method_text = "GET";
  std::string path_text = "/";
  std::string query_text;
  std::vector<std::pair<std::string, std::string>> headers;
  bool encrypted = false;

  std::string_view method() const override { return method_text; }
  std::string_view path() const override { return path_text; }
  std::string_view query() const override { return query_text; }
  std::string_view host() const override { return "www.example.org"; }
  std::string_view client_ip() const override { return "192.0.2.7"; }
  std::string_view route() const override { return "front"; }
  bool tls() const override { return encrypted; }
  size_t header_count() const override { return headers.size(); }
  Field header_at(size_t index) const override { return {headers[index].first, headers[index].second}; }

  static Request with(std::string name, std::string value) {
    Request request;
    request.headers.emplace_back(std::move(name), std::move(value));
    return request;
  }
};

inline KnownTargets targets() { return {"upstream.node", "handler.content", "rollout.content"}; }

// Loads a script that must be fine.
inline std::unique_ptr<Script> make_script(std::string_view source, Limits limits = {}) {
  auto script = Script::load("routes.lua", source, limits, targets());
  return script ? std::move(*script) : nullptr;
}

// The message of a script that must be refused; empty if it was not.
inline std::string load_error(std::string_view source, Limits limits = {}) {
  auto script = Script::load("routes.lua", source, limits, targets());
  return script ? std::string() : script.error().message;
}

// The result of route() whose body is `body`. The time is generous: what is tested is not speed.
inline CallResult run_body(std::string_view body, const Request& request = {}) {
  std::string source = "local M = {}\nfunction M.route(req)\n" + std::string(body) + "\nend\nreturn M\n";
  Limits limits;
  limits.wall = std::chrono::seconds(2);
  auto script = Script::load("routes.lua", source, limits, targets());
  if (!script) return {{}, Failure::runtime, "load: " + script.error().message};
  return (*script)->route(request);
}

// What `expression` is in a script, as text by way of `reason`; or the message of the failure.
inline std::string evaluate(std::string_view expression, const Request& request = {}) {
  CallResult result = run_body("return { reason = tostring(" + std::string(expression) + ") }", request);
  return result.ok() ? result.outcome.reason.value_or("") : result.message;
}

}  // namespace banyan::lua
