// From host and path to the route. What a look-up costs does not depend on the number of exact and prefix
// routes.
//
// Order, strongest first: host (exact, longest wildcard, any); then the path: exact, longest prefix, regular
// expressions in file order, and last of all the catch-all "/*"; then file order. The first route whose
// methods and header conditions hold wins. ("/*" is a prefix too, but were it asked before the regular
// expressions, no configuration with a default route could use one.)
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "http/head.h"
#include "route/route.h"

namespace banyan::route {

struct Found {
  const Route* route = nullptr;
  // No route, but one would have matched with another method: for 405 and its Allow.
  bool other_method = false;
};

class Router {
 public:
  // The routes in file order.
  explicit Router(std::vector<std::unique_ptr<Route>> routes);

  Found find(const http::RequestHead& head) const;
  const std::vector<std::unique_ptr<Route>>& routes() const { return routes_; }
  // The methods of all routes with that host and path, for Allow: "GET, POST".
  std::string allowed_methods(const http::RequestHead& head) const;

 private:
  using Candidates = std::vector<const Route*>;
  struct Text {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  using Table = std::unordered_map<std::string, Candidates, Text, std::equal_to<>>;

  // The routes of one host.
  struct Paths {
    Table exact;
    Table prefix;  // ends with "/"
    size_t longest_prefix = 0;
    Candidates regex;
    Candidates any;  // "/*"
  };

  template <class Visit>
  void each_candidate(const http::RequestHead& head, Visit visit) const;
  template <class Visit>
  static bool visit_paths(const Paths& paths, std::string_view path, Visit& visit);
  void add(Paths& paths, const Route& route);

  std::vector<std::unique_ptr<Route>> routes_;
  std::unordered_map<std::string, Paths, Text, std::equal_to<>> hosts_;      // "api.example.org"
  std::unordered_map<std::string, Paths, Text, std::equal_to<>> wildcards_;  // ".example.org"
  Paths any_host_;
};

// The name in a Host value: lower case (in `arena` if it has to be changed), without port and without the dot
// at the end; an IPv6 address keeps its brackets.
std::string_view host_name(std::string_view host, Arena& arena);

}  // namespace banyan::route
