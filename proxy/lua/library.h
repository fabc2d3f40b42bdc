// What scripts find in their environment, and what the functions there share. Internal to this folder.
//
// The functions of the C library that can run long inside C (patterns, rep, format, sort, concat, unpack …)
// are written anew here, paying for their work from the call's Meter; the others are taken as they are or
// behind a toll. A frame that calls any of this may be left by longjmp; see vm.h.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <lua.hpp>
#include <string_view>

#include "lua/vm.h"

namespace banyan::lua {

// The most values one call may spread on the stack (unpack, byte, codepoint).
inline constexpr int kMaxValues = 4096;

// Pushes the table a script has as _ENV: its own globals, over read-only libraries. It can be assigned to
// while the script is being loaded and is frozen then.
void push_environment(lua_State* state);

// Pushes the object that is passed to route(): fields looked up in Vm::request().
void push_request(lua_State* state);

// Each adds its functions to the table on the top.
void add_base_functions(lua_State* state);
void add_string_functions(lua_State* state);
void add_table_functions(lua_State* state);

// Pays from the meter, or ends the script.
inline void spend(lua_State* state, uint64_t units) {
  Vm& vm = Vm::of(state);
  if (!vm.meter().spend(units)) vm.stop();
}
inline void delay(lua_State* state, uint64_t units) {
  Vm& vm = Vm::of(state);
  if (!vm.meter().delay(units)) vm.stop();
}

// The string argument, as luaL_checklstring.
inline std::string_view check_text(lua_State* state, int index) {
  size_t size = 0;
  const char* text = luaL_checklstring(state, index, &size);
  return {text, size};
}

// Pushes what tostring() gives: as in Lua, but without addresses of memory.
void push_text(lua_State* state, int index);

// Adds to the buffer, whose own slot must be the top of the stack; ends the script when the text passes
// Vm::kMaxString.
void add_text(luaL_Buffer& buffer, std::string_view text);

// The same with the string or number on the top, which is popped.
void add_value(luaL_Buffer& buffer);

// Copies functions from the table at `from` into the table on the top. `paid`: they pay for each call and for
// the length of their string arguments. `span`: besides, (text, from, to) may not cover more than kMaxValues.
enum class Toll { none, paid, span };
void take_functions(lua_State* state, int from, std::initializer_list<const char*> names, Toll toll);

// Replaces the table on the top by an empty one that reads through to it and cannot be written.
void freeze(lua_State* state);

// The field of a metatable that marks a table as not to be changed by setmetatable or rawset.
inline constexpr lua_Integer kProtectedMark = 1;

}  // namespace banyan::lua
