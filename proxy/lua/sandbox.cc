// The environment of a script.
//
//   _ENV ── reads ──▶ globals: base functions, log, hash, and string, table, math, utf8 (each frozen the same
//   way)
//    └─ writes ─▶ the globals while loading; an error in route(), where a forgotten `local` would leak from
//    one
//       request into the next
//
// Not there: io os package debug coroutine require load loadfile dofile collectgarbage string.dump
// string.pack.
#include <algorithm>

#include "lua/library.h"

namespace banyan::lua {
namespace {

int refuse_write(lua_State* state) { return luaL_error(state, "this table is read-only"); }

int write_global(lua_State* state) {
  if (!Vm::of(state).loading()) {
    lua_settop(state, 2);
    push_text(state, 2);
    return luaL_error(state, "global '%s' cannot be assigned in route(); use a local",
                      lua_tostring(state, -1));
  }
  lua_rawset(state, lua_upvalueindex(1));
  return 0;
}

// Turns [table, function] on the top of the stack into [proxy]: an empty table that reads through to the
// table and hands writes to the function.
void make_proxy(lua_State* state) {
  lua_newtable(state);
  lua_createtable(state, 1, 3);
  lua_pushvalue(state, -4);
  lua_setfield(state, -2, "__index");
  lua_pushvalue(state, -3);
  lua_setfield(state, -2, "__newindex");
  lua_pushboolean(state, 0);
  lua_setfield(state, -2, "__metatable");
  lua_pushboolean(state, 1);
  lua_rawseti(state, -2, kProtectedMark);
  lua_setmetatable(state, -2);
  lua_replace(state, -3);
  lua_pop(state, 1);
}

// Calls a function of the C library after paying for the call and the texts it was given.
int with_toll(lua_State* state) {
  uint64_t units = 1;
  for (int i = lua_gettop(state); i > 0; --i) {
    if (lua_type(state, i) == LUA_TSTRING) units += lua_rawlen(state, i) / 16;
  }
  spend(state, units);
  delay(state, 100);
  return lua_tocfunction(state, lua_upvalueindex(1))(state);
}

// As above for functions that spread (text, from, to) on the stack.
int with_span(lua_State* state) {
  auto size = static_cast<lua_Integer>(check_text(state, 1).size());
  lua_Integer from = luaL_optinteger(state, 2, 1);
  lua_Integer to = luaL_optinteger(state, 3, from);
  from = from < 0 ? std::max<lua_Integer>(from + size + 1, 1) : from;
  to = std::min(to < 0 ? to + size + 1 : to, size);
  if (to >= from && to - from >= kMaxValues) return luaL_error(state, "string slice too long");
  return with_toll(state);
}

void open_stock(lua_State* state, const char* name, lua_CFunction open) {
  lua_pushcfunction(state, open);
  lua_pushstring(state, name);
  lua_call(state, 1, 1);
}

void add_base(lua_State* state, int globals) {
  open_stock(state, LUA_GNAME, luaopen_base);
  lua_pushvalue(state, globals);
  take_functions(state, lua_gettop(state) - 1,
                 {"assert", "error", "ipairs", "rawequal", "rawget", "rawlen", "select", "type"}, Toll::none);
  take_functions(state, lua_gettop(state) - 1, {"pcall", "tonumber", "xpcall"}, Toll::paid);
  add_base_functions(state);
  lua_pop(state, 2);
}

void add_strings(lua_State* state, int globals) {
  open_stock(state, LUA_STRLIBNAME, luaopen_string);
  lua_newtable(state);
  take_functions(state, lua_gettop(state) - 1, {"char", "len", "lower", "reverse", "sub", "upper"},
                 Toll::paid);
  take_functions(state, lua_gettop(state) - 1, {"byte"}, Toll::span);
  add_string_functions(state);
  // The metatable all strings share: luaopen_string has made it, with the stock library as its __index.
  lua_pushliteral(state, "");
  lua_getmetatable(state, -1);
  lua_pushvalue(state, -3);
  lua_setfield(state, -2, "__index");
  lua_pushboolean(state, 0);
  lua_setfield(state, -2, "__metatable");
  lua_pop(state, 2);
  freeze(state);
  lua_setfield(state, globals, LUA_STRLIBNAME);
  lua_pop(state, 1);
}

void add_math(lua_State* state, int globals) {
  open_stock(state, LUA_MATHLIBNAME, luaopen_math);
  freeze(state);
  lua_setfield(state, globals, LUA_MATHLIBNAME);
}

void add_utf8(lua_State* state, int globals) {
  open_stock(state, LUA_UTF8LIBNAME, luaopen_utf8);
  lua_newtable(state);
  take_functions(state, lua_gettop(state) - 1, {"charpattern"}, Toll::none);
  take_functions(state, lua_gettop(state) - 1, {"char", "codes", "len", "offset"}, Toll::paid);
  take_functions(state, lua_gettop(state) - 1, {"codepoint"}, Toll::span);
  freeze(state);
  lua_setfield(state, globals, LUA_UTF8LIBNAME);
  lua_pop(state, 1);
}

void add_tables(lua_State* state, int globals) {
  lua_newtable(state);
  add_table_functions(state);
  freeze(state);
  lua_setfield(state, globals, LUA_TABLIBNAME);
}

}  // namespace

void take_functions(lua_State* state, int from, std::initializer_list<const char*> names, Toll toll) {
  for (const char* name : names) {
    lua_getfield(state, from, name);
    if (toll == Toll::paid) lua_pushcclosure(state, with_toll, 1);
    if (toll == Toll::span) lua_pushcclosure(state, with_span, 1);
    lua_setfield(state, -2, name);
  }
}

void freeze(lua_State* state) {
  lua_pushcfunction(state, refuse_write);
  make_proxy(state);
}

void push_environment(lua_State* state) {
  lua_newtable(state);
  int globals = lua_gettop(state);
  add_base(state, globals);
  add_strings(state, globals);
  add_math(state, globals);
  add_utf8(state, globals);
  add_tables(state, globals);
  lua_pushliteral(state, LUA_VERSION);
  lua_setfield(state, globals, "_VERSION");
  lua_pushvalue(state, globals);
  lua_pushvalue(state, globals);
  lua_pushcclosure(state, write_global, 1);
  make_proxy(state);
  lua_pushvalue(state, -1);
  lua_setfield(state, globals, LUA_GNAME);
  lua_replace(state, globals);
  // What the libraries were opened with is out of every script's reach; let it be collected.
  lua_newtable(state);
  lua_rawseti(state, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
}

}  // namespace banyan::lua
