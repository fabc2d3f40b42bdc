// From the value route() returned to a checked Outcome.
#pragma once

#include <lua.hpp>
#include <string>
#include <string_view>

#include "lua/outcome.h"
#include "lua/script.h"

namespace banyan::lua {

// Empty, or the sentence that `name` is unknown and which one may be meant. REQUIRES: `targets` sorted.
std::string unknown_target(const KnownTargets& targets, std::string_view name);

// Reads the value at `index` (nil, or a table of the fields of Outcome) into `result`. Runs no code of the
// script (tables are read raw, so metatables mean nothing) and never raises, so it needs no protection.
// `script` names it in messages.
void read_outcome(lua_State* state, int index, std::string_view script, const KnownTargets& targets,
                  CallResult& result);

// Reads what a test case expects: the same fields, without the check of targets. False with a message if it
// is not one.
bool read_expectation(lua_State* state, int index, Outcome& outcome, std::string& message);

// The value in a message: "\"abc\"", "7", "true", "a table". Never raises.
std::string describe_value(lua_State* state, int index);

// The value at `index`, which must be a string.
inline std::string_view text_at(lua_State* state, int index) {
  size_t size = 0;
  const char* text = lua_tolstring(state, index, &size);
  return {text, size};
}

}  // namespace banyan::lua
