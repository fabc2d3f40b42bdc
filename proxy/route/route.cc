#include "route/route.h"

namespace banyan::route {

Result<std::unique_ptr<Route>> Route::make(const config::Route& rules, uint32_t number,
                                           const TargetBook& targets) {
  std::unique_ptr<Route> route(new Route(rules, number));
  Result<Conditions> conditions = Conditions::make(route->rules_);
  if (!conditions) return std::move(conditions).error();
  route->conditions_ = std::move(*conditions);
  Result<Rewriter> rewriter = Rewriter::make(route->rules_);
  if (!rewriter) return std::move(rewriter).error();
  route->rewriter_ = std::move(*rewriter);
  if (rules.target) {
    route->target_ = targets.find_target(rules.target->text());
    if (!route->target_) return proxy_error("target: there is no " + rules.target->text());
  }
  return route;
}

}  // namespace banyan::route
