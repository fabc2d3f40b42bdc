#include "route/router.h"

#include <algorithm>

namespace banyan::route {

std::string_view host_name(std::string_view host, Arena& arena) {
  size_t colon = host.rfind(':');
  if (colon != std::string_view::npos && host.find(']', colon) == std::string_view::npos)
    host = host.substr(0, colon);
  if (!host.empty() && host.back() == '.') host.remove_suffix(1);
  auto upper = [](char c) { return c >= 'A' && c <= 'Z'; };
  if (std::none_of(host.begin(), host.end(), upper)) return host;
  char* text = arena.allocate(host.size());
  std::transform(host.begin(), host.end(), text,
                 [&](char c) { return upper(c) ? static_cast<char>(c + 32) : c; });
  return {text, host.size()};
}

Router::Router(std::vector<std::unique_ptr<Route>> routes) : routes_(std::move(routes)) {
  for (const std::unique_ptr<Route>& route : routes_) {
    if (route->rules().hosts.empty()) add(any_host_, *route);
    for (const std::string& host : route->rules().hosts) {
      if (host.starts_with("*.")) {
        add(wildcards_[host.substr(1)], *route);
      } else {
        add(hosts_[host], *route);
      }
    }
  }
}

void Router::add(Paths& paths, const Route& route) {
  const config::PathMatch& path = route.rules().path;
  switch (path.kind) {
    case config::PathMatch::Kind::exact:
      paths.exact[path.value].push_back(&route);
      break;
    case config::PathMatch::Kind::prefix:
      if (path.value == "/") {
        paths.any.push_back(&route);
      } else {
        paths.prefix[path.value].push_back(&route);
        paths.longest_prefix = std::max(paths.longest_prefix, path.value.size());
      }
      break;
    case config::PathMatch::Kind::regex:
      paths.regex.push_back(&route);
      break;
  }
}

// Calls visit(route) in order of precedence until it returns true.
template <class Visit>
bool Router::visit_paths(const Paths& paths, std::string_view path, Visit& visit) {
  auto visit_all = [&](const Candidates& candidates) {
    return std::any_of(candidates.begin(), candidates.end(),
                       [&](const Route* route) { return visit(*route); });
  };
  if (auto found = paths.exact.find(path); found != paths.exact.end() && visit_all(found->second))
    return true;
  if (!paths.prefix.empty()) {
    std::string_view prefix = path.substr(0, std::min(path.size(), paths.longest_prefix));
    while (true) {
      size_t slash = prefix.rfind('/');
      if (slash == std::string_view::npos || slash == 0) break;
      prefix = prefix.substr(0, slash + 1);
      if (auto found = paths.prefix.find(prefix); found != paths.prefix.end() && visit_all(found->second))
        return true;
      prefix.remove_suffix(1);
    }
  }
  for (const Route* route : paths.regex) {
    if (route->conditions().path_matches(path) && visit(*route)) return true;
  }
  return visit_all(paths.any);
}

template <class Visit>
void Router::each_candidate(const http::RequestHead& head, Visit visit) const {
  if (!hosts_.empty() || !wildcards_.empty()) {
    Arena arena;
    std::string_view host = host_name(head.host, arena);
    if (auto found = hosts_.find(host); found != hosts_.end() && visit_paths(found->second, head.path, visit))
      return;
    if (!wildcards_.empty()) {
      for (size_t dot = host.find('.', 1); dot != std::string_view::npos; dot = host.find('.', dot + 1)) {
        auto found = wildcards_.find(host.substr(dot));
        if (found != wildcards_.end() && visit_paths(found->second, head.path, visit)) return;
      }
    }
  }
  visit_paths(any_host_, head.path, visit);
}

Found Router::find(const http::RequestHead& head) const {
  Found found;
  each_candidate(head, [&](const Route& route) {
    if (!route.conditions().fields_match(head)) return false;
    if (!route.conditions().method_matches(head)) {
      found.other_method = true;
      return false;
    }
    found.route = &route;
    return true;
  });
  if (found.route) found.other_method = false;
  return found;
}

std::string Router::allowed_methods(const http::RequestHead& head) const {
  std::vector<std::string_view> methods;
  each_candidate(head, [&](const Route& route) {
    for (const std::string& method : route.rules().methods) {
      if (std::find(methods.begin(), methods.end(), method) == methods.end()) methods.push_back(method);
    }
    return false;
  });
  std::string text;
  for (std::string_view method : methods) (text += text.empty() ? "" : ", ") += method;
  return text;
}

}  // namespace banyan::route
