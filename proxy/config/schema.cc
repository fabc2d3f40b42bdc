#include "config/schema.h"

#include <algorithm>

namespace banyan::config {
namespace {

template <class T>
const T* find_named(const std::vector<T>& entries, std::string_view name) {
  auto found =
      std::find_if(entries.begin(), entries.end(), [&](const T& entry) { return entry.name == name; });
  return found == entries.end() ? nullptr : &*found;
}

}  // namespace

std::string PathMatch::text() const {
  switch (kind) {
    case Kind::exact:
      return value;
    case Kind::prefix:
      return value + "*";
    case Kind::regex:
      return "~ " + value;
  }
  return value;
}

const Upstream* Config::find_upstream(std::string_view name) const { return find_named(upstreams, name); }
const HandlerEntry* Config::find_handler(std::string_view name) const { return find_named(handlers, name); }
const Rollout* Config::find_rollout(std::string_view name) const { return find_named(rollouts, name); }

}  // namespace banyan::config
