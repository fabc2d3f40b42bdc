// What is wrong between tables.

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "config/formats.h"
#include "config/names.h"
#include "config/tables.h"

namespace banyan::config {
namespace {

class Checker {
 public:
  Checker(const Config& config, const Value& root) : config_(config), root_(root) {}

  void check() {
    collect_names();
    check_root();
    check_listeners();
    check_rollouts();
    check_routes();
    check_unused();
  }

 private:
  void collect_names() {
    for (const Upstream& upstream : config_.upstreams) names_.push_back("upstream." + upstream.name);
    for (const HandlerEntry& handler : config_.handlers) names_.push_back("handler." + handler.name);
    for (const Rollout& rollout : config_.rollouts) names_.push_back("rollout." + rollout.name);
    std::sort(names_.begin(), names_.end());
  }

  // Root can leave it again.
  void check_root() {
    if (!config_.chroot.empty() && config_.user.empty()) root_.at("chroot").error("needs user");
  }

  void check_target(const Target& target, const Value& value) {
    const std::string text = target.text();
    used_.insert(text);
    if (std::binary_search(names_.begin(), names_.end(), text)) return;
    std::vector<std::string_view> good;
    std::copy_if(names_.begin(), names_.end(), std::back_inserter(good),
                 [](std::string_view name) { return is_name(name.substr(name.find('.') + 1)); });
    value.error(fmt::format("there is no {}{}", text, suggestion(text, good)));
  }

  void check_listeners() {
    std::map<std::string, Where> seen;
    const Value listeners = root_.at("listener");
    for (size_t i = 0; i < config_.listeners.size(); ++i) {
      const Listener& listener = config_.listeners[i];
      const Value value = listeners.item(i).at("address");
      if (listener.address.host.empty()) continue;  // was wrong
      const std::string address = listener.address.text();
      const bool chosen_by_kernel =
          listener.address.kind != Address::Kind::unix_socket && listener.address.port == 0;
      auto [first, added] = seen.try_emplace(address, value.where());
      if (!added && !chosen_by_kernel) {
        value.error(fmt::format("{} has a listener already, in {}", address, first->second.text()));
      }
      if (config_.admin.listen && config_.admin.listen->text() == address && !chosen_by_kernel) {
        value.error(fmt::format("{} is admin.listen already", address));
      }
      if (listener.address.kind == Address::Kind::unix_socket &&
          listener.address.host == config_.admin.socket) {
        value.error(fmt::format("{} is admin.socket already", address));
      }
    }
  }

  void check_rollouts() {
    for (const Rollout& rollout : config_.rollouts) {
      const Value value = root_.at("rollout").at(rollout.name);
      if (!rollout.legacy.name.empty()) check_target(rollout.legacy, value.at("legacy"));
      if (!rollout.native.name.empty()) check_target(rollout.native, value.at("native"));
    }
  }

  // What a route asks of requests, as text; two equal ones can never both be chosen.
  static std::string condition(const Route& route) {
    std::vector<std::string> hosts = route.hosts, methods = route.methods;
    std::sort(hosts.begin(), hosts.end());
    std::sort(methods.begin(), methods.end());
    std::string text =
        fmt::format("{} | {} | {}", fmt::join(hosts, " "), route.path.text(), fmt::join(methods, " "));
    for (const HeaderMatch& match : route.headers) {
      text += fmt::format(" | {} {} {}", match.name, static_cast<int>(match.kind), match.value);
    }
    return text;
  }

  // False if a condition of the route could not be read and so is missing.
  static bool conditions_are_good(const Route& route, const Value& value) {
    const auto lost = [&](std::string_view key, bool empty) {
      const Node* node = value.has(key) ? &value.at(key).node() : nullptr;
      return node && empty &&
             (!node->items.empty() || !node->entries.empty() || node->kind == Node::Kind::string);
    };
    return !route.path.value.empty() && !lost("host", route.hosts.empty()) &&
           !lost("methods", route.methods.empty()) && !lost("headers", route.headers.empty());
  }

  void check_routes() {
    std::map<std::string, Where> conditions;
    std::map<std::string, Where> names;
    const Value routes = root_.at("route");
    for (size_t i = 0; i < config_.routes.size(); ++i) {
      const Route& route = config_.routes[i];
      const Value value = routes.item(i);
      if (route.target) check_target(*route.target, value.at("target"));
      if (value.has("name")) {
        auto [first, added] = names.try_emplace(route.name, value.where());
        if (!added)
          value.at("name").error(fmt::format("is the name of the route in {}", first->second.text()));
      }
      if (!conditions_are_good(route, value)) continue;
      auto [first, added] = conditions.try_emplace(condition(route), value.where());
      if (!added) {
        value.at("path").error(
            fmt::format("can never be chosen: the route in {} asks for the same", first->second.text()));
      }
    }
  }

  // A warning for each name that nothing leads to. With a Lua script nobody can know; after errors it is
  // noise.
  void check_unused() {
    if (!config_.lua.routes.empty() || root_.reader().has_errors()) return;
    for (const char* kind : {"upstream", "handler", "rollout"}) {
      const Value table = root_.at(kind);
      if (!root_.has(kind)) continue;
      for (const Entry& entry : table.node().entries) {
        if (!used_.contains(fmt::format("{}.{}", kind, entry.key)))
          table.key(entry).warn("is not used by any route");
      }
    }
  }

  const Config& config_;
  const Value& root_;
  std::vector<std::string> names_;
  std::set<std::string> used_;
};

}  // namespace

void check(const Config& config, const Value& root) { Checker(config, root).check(); }

}  // namespace banyan::config
