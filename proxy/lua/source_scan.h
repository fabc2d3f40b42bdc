// Looks through a script's source, without running it, for target names that can be known to be wrong.
#pragma once

#include <string_view>
#include <vector>

namespace banyan::lua {

// A text that stands as `target` in the table of a return statement: return { target = "upstream.node" }.
struct TargetLiteral {
  std::string_view name;  // a view into the source
  int line;
};

// All of them, in order. Literals with escapes or built from parts are left out: their value is known at run
// time only.
std::vector<TargetLiteral> find_target_literals(std::string_view source);

}  // namespace banyan::lua
