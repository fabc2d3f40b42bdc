#include "admin/banyanctl_print.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "admin/banyanctl_table.h"

namespace banyan::ctl {
namespace {

using Json = nlohmann::ordered_json;

Json parse(const std::string& body) { return Json::parse(body, nullptr, false); }

// A member as text: "" if it is not there.
std::string text(const Json& object, const char* key) {
  if (!object.is_object()) return {};
  auto found = object.find(key);
  if (found == object.end() || found->is_null()) return {};
  if (found->is_boolean()) return *found ? "yes" : "no";
  return found->is_string() ? found->get<std::string>() : found->dump();
}

Json list(const Json& object, const char* key) {
  if (!object.is_object()) return Json::array();
  auto found = object.find(key);
  return found != object.end() && found->is_array() ? *found : Json::array();
}

Json member(const Json& object, const char* key) {
  if (!object.is_object()) return Json::object();
  auto found = object.find(key);
  return found != object.end() ? *found : Json::object();
}

std::string percent(const Json& object, const char* key) {
  const std::string number = text(object, key);
  return number.empty() ? number : number + "%";
}

std::string milliseconds(const Json& object, const char* key) {
  auto found = object.find(key);
  return found != object.end() && found->is_number() ? fmt::format("{:.1f}ms", found->get<double>() * 1000)
                                                     : "";
}

std::string duration(const Json& object, const char* key) {
  auto found = object.find(key);
  if (found == object.end() || !found->is_number() || !(found->get<double>() >= 0)) return {};
  return duration_text(static_cast<uint64_t>(std::min(found->get<double>(), 1e15)));
}

std::string joined(const Json& array) {
  std::string all;
  for (const Json& element : array) {
    if (!element.is_string()) continue;
    if (!all.empty()) all += ", ";
    all += element.get<std::string>();
  }
  return all;
}

// "name   value" lines; those without value are left out.
class Facts {
 public:
  void add(std::string_view name, const std::string& value) {
    if (!value.empty()) text_ += fmt::format("{:<12} {}\n", name, harmless(value));
  }
  std::string take() { return std::move(text_); }

 private:
  std::string text_;
};

std::string processes_table(const Json& status) {
  Table table(
      {"PROCESS", ">PID", "STATE", ">CONFIG", ">RESTARTS", ">CONNECTIONS", ">REQUESTS", ">LAG", "STARTED"});
  for (const Json& process : list(status, "processes")) {
    table.add({text(process, "name"), text(process, "pid"), text(process, "state"),
               text(process, "generation"), text(process, "restarts"), text(process, "connections"),
               text(process, "requests"), milliseconds(process, "loop_lag_seconds"),
               text(process, "started")});
  }
  return table.text();
}

// What has not come to its end about the configuration.
std::string standing_lines(const Json& status) {
  std::string all;
  const Json open = member(status, "unconfirmed");
  if (!open.empty()) {
    const std::string fallback = text(open, "fallback");
    all += fmt::format("not confirmed: goes back to {} in {}, unless \"banyanctl confirm\" comes before\n",
                       fallback == "0" ? "the configuration before" : "configuration " + harmless(fallback),
                       duration(open, "seconds_left"));
  }
  const Json back = member(status, "rolled_back");
  if (!back.empty()) {
    all += harmless(fmt::format("rolled back to configuration {} at {} by {}; the files differ, and the next "
                                "reload or restart takes them",
                                text(back, "to"), text(back, "when"), text(back, "who"))) +
           "\n";
  }
  return all;
}

std::string target_text(const Json& route) {
  if (route.contains("target")) return text(route, "target");
  if (route.contains("redirect")) {
    const Json redirect = member(route, "redirect");
    return fmt::format("redirect {} {}", text(redirect, "status"), text(redirect, "to"));
  }
  return "reply " + text(member(route, "reply"), "status");
}

std::string lua_text(const Json& lua) {
  std::string all;
  if (!lua.is_object()) return all;
  for (const auto& [name, value] : lua.items()) {
    if (!all.empty()) all += ", ";
    all += fmt::format("{} = {}", name, value.is_string() ? value.get<std::string>() : value.dump());
  }
  return all;
}

// "1 of 3"
std::string step_text(const Json& rollout) {
  const Json schedule = member(rollout, "schedule");
  if (schedule.empty()) return {};
  return fmt::format("{} of {}", text(schedule, "taken"), text(schedule, "steps"));
}

// "50% at 2026-11-28T…", or what is waited for.
std::string next_text(const Json& rollout) {
  const Json schedule = member(rollout, "schedule");
  const std::string waits = text(schedule, "waits_for");
  if (waits.empty() || waits == "nothing") return {};
  const std::string next = percent(schedule, "next_percent");
  const std::string at = text(schedule, "next_at");
  if (!at.empty() && waits == "soak") return "done at " + at;
  if (!at.empty()) return fmt::format("{} at {}{}", next, at, waits == "freeze" ? " (freeze)" : "");
  return fmt::format("{}{}waits for {}", next, next.empty() ? "" : " ",
                     waits == "order"  ? "an order"
                     : waits == "gate" ? "the gate"
                                       : waits);
}

// "512 requests, 0.4% errors, p50 3.1ms, p99 20.0ms"
std::string side_text(const Json& window, const char* key) {
  const Json side = member(window, key);
  if (!side.contains("error_rate") || !side["error_rate"].is_number()) return {};
  return fmt::format("{} requests, {:.2f}% errors, p50 {}, p99 {}", text(side, "requests"),
                     side["error_rate"].get<double>() * 100, milliseconds(side, "p50"),
                     milliseconds(side, "p99"));
}

}  // namespace

std::string print_status(const std::string& body) {
  const Json status = parse(body);
  if (!status.is_object()) return {};
  std::string all = fmt::format("banyan {}, pid {}, {}, up {}, configuration {}\n", text(status, "version"),
                                text(status, "pid"), text(status, "ready") == "yes" ? "ready" : "not ready",
                                duration(status, "uptime_seconds"), text(status, "generation"));
  all += fmt::format("{} connections, {} requests\n", text(status, "connections"), text(status, "requests"));
  const std::string seccomp = text(status, "seccomp");
  if (!seccomp.empty() && seccomp != "on") {
    all += fmt::format("system calls are not restricted: seccomp is {}\n", harmless(seccomp));
  }
  const Json old = member(status, "draining");
  if (!old.empty()) {
    all += fmt::format("upgraded; the old master, pid {}, drains {} connections\n", text(old, "pid"),
                       text(old, "connections"));
  }
  all += standing_lines(status);
  const Json reload = member(status, "last_reload");
  if (!reload.empty()) {
    all += fmt::format("last reload {} at {}\n", text(reload, "applied") == "yes" ? "applied" : "refused",
                       text(reload, "when"));
    for (const Json& line : list(reload, "lines")) {
      if (line.is_string()) all += "  " + harmless(line.get<std::string>()) + "\n";
    }
  }
  all += "\n" + processes_table(status);
  Table rollouts({"ROLLOUT", ">PERCENT", "STATE"});
  for (const Json& rollout : list(status, "rollouts")) {
    rollouts.add({text(rollout, "name"), percent(rollout, "percent"), text(rollout, "state")});
  }
  if (rollouts.size() > 0) all += "\n" + rollouts.text();
  return all;
}

std::string print_rollouts(const std::string& body) {
  Table table({"ROLLOUT", ">PERCENT", "STATE", "STEP", "NEXT", "VERDICT", "LEGACY", ">REQUESTS", "NATIVE",
               ">REQUESTS", "CHANGED"});
  for (const Json& rollout : list(parse(body), "rollouts")) {
    const Json decisions = member(rollout, "decisions");
    table.add({text(rollout, "name"), percent(rollout, "percent"), text(rollout, "state"), step_text(rollout),
               next_text(rollout), text(member(rollout, "gate"), "verdict"), text(rollout, "legacy"),
               text(decisions, "legacy"), text(rollout, "native"), text(decisions, "native"),
               text(rollout, "changed")});
  }
  return table.text();
}

std::string print_rollout(const std::string& body) {
  const Json rollout = parse(body);
  if (!rollout.is_object()) return {};
  const Json decisions = member(rollout, "decisions");
  Facts facts;
  facts.add("rollout", text(rollout, "name"));
  facts.add("percent", fmt::format("{} ({})", percent(rollout, "percent"), text(rollout, "state")));
  facts.add("falls to", percent(rollout, "target_percent"));
  facts.add("step", step_text(rollout));
  facts.add("since", text(member(rollout, "schedule"), "since"));
  facts.add("next", next_text(rollout));
  const Json gate = member(rollout, "gate");
  facts.add("verdict", text(gate, "verdict"));
  facts.add("because", text(gate, "why"));
  const Json window = member(rollout, "window");
  facts.add("within", duration(window, "seconds"));
  facts.add("legacy did", side_text(window, "legacy"));
  facts.add("native did", side_text(window, "native"));
  const std::string diverted = text(window, "diverted");
  if (diverted != "0") facts.add("diverted", diverted);
  facts.add("file says", percent(rollout, "file_percent"));
  facts.add("legacy", fmt::format("{}, {} requests", text(rollout, "legacy"), text(decisions, "legacy")));
  facts.add("native", fmt::format("{}, {} requests", text(rollout, "native"), text(decisions, "native")));
  facts.add("sticky", joined(list(rollout, "sticky")));
  facts.add("salt", text(rollout, "salt"));
  facts.add("fallback", text(rollout, "fallback"));
  facts.add("changed", text(rollout, "changed"));
  facts.add("by", text(rollout, "who"));
  facts.add("why", text(rollout, "why"));
  return facts.take();
}

std::string print_changed_rollout(const std::string& body) {
  const Json rollout = parse(body);
  return fmt::format("{}: {} ({})\n", text(rollout, "name"), percent(rollout, "percent"),
                     text(rollout, "state"));
}

namespace {

// One word for all that speaks against a server; what an operator has said comes first.
std::string server_state(const Json& upstream, const Json& server) {
  if (text(server, "order") != "up") return text(server, "order");
  if (text(server, "health") == "unhealthy") return "unhealthy";
  if (text(server, "ejected") == "yes") return "ejected";
  const std::string breaker = text(member(upstream, "breaker"), "state");
  if (breaker == "open" || breaker == "half-open") return breaker;
  return "up";
}

}  // namespace

std::string print_upstreams(const std::string& body) {
  Table table(
      {"UPSTREAM", "SERVER", "STATE", "HEALTH", ">WEIGHT", ">ACTIVE", ">IDLE", ">REQUESTS", ">EJECTED"});
  for (const Json& upstream : list(parse(body), "upstreams")) {
    for (const Json& server : list(upstream, "servers")) {
      table.add({text(upstream, "name"), text(server, "address"), server_state(upstream, server),
                 text(server, "health"), text(server, "weight"), text(server, "active"), text(server, "idle"),
                 text(server, "requests"), text(server, "ejections")});
    }
  }
  return table.text();
}

std::string print_changed_server(const std::string& body) {
  const Json server = parse(body);
  return fmt::format("{} {}: {}\n", text(server, "upstream"), text(server, "server"), text(server, "order"));
}

std::string print_routes(const std::string& body) {
  Table table({"ROUTE", "HOST", "PATH", "METHODS", "TARGET", "WHERE"});
  for (const Json& route : list(parse(body), "routes")) {
    table.add({text(route, "name"), joined(list(route, "hosts")), text(route, "path"),
               joined(list(route, "methods")), target_text(route), text(route, "where")});
  }
  return table.text();
}

std::string print_handlers(const std::string& body) {
  Table table({"HANDLER", "TYPE", "WHERE"});
  for (const Json& handler : list(parse(body), "handlers")) {
    table.add({text(handler, "name"), text(handler, "type"), text(handler, "where")});
  }
  return table.text();
}

std::string print_purged(const std::string& body) {
  const Json purged = parse(body);
  return harmless(fmt::format("{}: purged: {}", text(purged, "handler"), text(purged, "purged"))) + "\n";
}

std::string print_journal(const std::string& body) {
  Table table({"TIME", "ROLLOUT", "ORDER", ">FROM", ">TO", "STATE", "VERDICT", "WHO", "WHY"});
  for (const Json& entry : list(parse(body), "entries")) {
    table.add({text(entry, "time"), text(entry, "rollout"), text(entry, "verb"), percent(entry, "old"),
               percent(entry, "new"), text(entry, "new_state"), text(entry, "verdict"), text(entry, "who"),
               text(entry, "why")});
  }
  return table.text();
}

std::string print_explanation(const std::string& body) {
  const Json explained = parse(body);
  if (!explained.is_object()) return {};
  Facts facts;
  facts.add("request", fmt::format("{} {}{}", text(explained, "method"), text(explained, "host"),
                                   text(explained, "path")));
  const std::string route = text(explained, "route");
  facts.add("route", route.empty() ? "none takes this request" : route);
  facts.add("rule", text(explained, "rule"));
  facts.add("written in", text(explained, "where"));
  facts.add("lua", lua_text(member(explained, "lua")));
  facts.add("target", text(explained, "target"));
  facts.add("rollout", text(explained, "rollout"));
  facts.add("percent", percent(explained, "percent"));
  facts.add("key", text(explained, "key"));
  facts.add("key from", text(explained, "key_source"));
  facts.add("bucket", text(explained, "bucket"));
  facts.add("side", text(explained, "side"));
  facts.add("reason", text(explained, "reason"));
  facts.add("goes to", text(explained, "destination"));
  facts.add("server", text(explained, "server"));
  facts.add("answered", text(explained, "status"));
  return facts.take();
}

std::string print_history(const std::string& body) {
  Table table({">NUMBER", "", "SINCE", "HOW", "STATE", "WHO", "WHY"});
  for (const Json& entry : list(parse(body), "entries")) {
    const std::string back_to = text(entry, "back_to");
    table.add({text(entry, "number"), text(entry, "running") == "yes" ? "*" : "", text(entry, "when"),
               text(entry, "how") + (back_to.empty() ? "" : " to " + back_to), text(entry, "state"),
               text(entry, "who"), text(entry, "why")});
  }
  return table.text();
}

std::string print_confirmed(const std::string& body) {
  std::string all = "confirmed\n";
  for (const Json& line : list(parse(body), "warnings")) {
    if (line.is_string()) all += harmless(line.get<std::string>()) + "\n";
  }
  return all;
}

std::string print_reload(const std::string& body) {
  const Json reload = parse(body);
  std::string all = fmt::format("done; configuration {}\n", text(reload, "generation"));
  for (const Json& line : list(reload, "warnings")) {
    if (line.is_string()) all += harmless(line.get<std::string>()) + "\n";
  }
  return all;
}

std::string print_config(const std::string& body) { return text(parse(body), "toml"); }

std::string print_as_is(const std::string& body) { return body; }

}  // namespace banyan::ctl
