// next pairs tostring setmetatable getmetatable rawset, and what Banyan adds: log (also as print) and hash.
#include "base/stable_hash.h"
#include "lua/library.h"

namespace banyan::lua {
namespace {

// ---------------------------------------------------------------- tables

// A step over a table whose entries were all removed walks over every empty place: hence the delay.
int base_next(lua_State* state) {
  luaL_checktype(state, 1, LUA_TTABLE);
  lua_settop(state, 2);
  delay(state, 100);
  if (lua_next(state, 1)) return 2;
  lua_pushnil(state);
  return 1;
}

int base_pairs(lua_State* state) {
  luaL_checkany(state, 1);
  if (luaL_getmetafield(state, 1, "__pairs") != LUA_TNIL) {
    lua_pushvalue(state, 1);
    lua_call(state, 1, 3);
    return 3;
  }
  luaL_checktype(state, 1, LUA_TTABLE);
  lua_pushcfunction(state, base_next);
  lua_pushvalue(state, 1);
  lua_pushnil(state);
  return 3;
}

// True if the value's metatable has the mark.
bool is_protected(lua_State* state, int index) {
  if (!lua_getmetatable(state, index)) return false;
  bool marked = lua_rawgeti(state, -1, kProtectedMark) != LUA_TNIL;
  lua_pop(state, 2);
  return marked;
}

int base_rawset(lua_State* state) {
  luaL_checktype(state, 1, LUA_TTABLE);
  luaL_checkany(state, 2);
  luaL_checkany(state, 3);
  if (is_protected(state, 1)) return luaL_error(state, "this table is protected");
  lua_settop(state, 3);
  lua_rawset(state, 1);
  return 1;
}

// ---------------------------------------------------------------- metatables
//
// A script never holds the real metatable of anything. setmetatable takes a copy of the fields that are
// harmless, and getmetatable gives back the table the script had passed. So no later assignment can add what
// is refused here:
// __gc (runs without a hook), __mode (quadratic work for the collector), __close (runs after a failure).

constexpr const char* kMetamethods[] = {"__add", "__band", "__bnot", "__bor",   "__bxor",     "__concat",
                                        "__div", "__eq",   "__idiv", "__index", "__le",       "__len",
                                        "__lt",  "__mod",  "__mul",  "__name",  "__newindex", "__pairs",
                                        "__pow", "__shl",  "__shr",  "__sub",   "__tostring", "__unm"};

void refuse_field(lua_State* state, const char* name) {
  lua_pushstring(state, name);
  if (lua_rawget(state, 2) != LUA_TNIL) luaL_error(state, "%s is not available in routing scripts", name);
  lua_pop(state, 1);
}

// Copies a field of the table at 2, if it has it, into the table on the top.
void copy_field(lua_State* state, const char* name) {
  lua_pushstring(state, name);
  lua_pushvalue(state, -1);
  if (lua_rawget(state, 2) == LUA_TNIL) {
    lua_pop(state, 2);
  } else {
    lua_rawset(state, -3);
  }
}

// Pushes the real metatable for the table at 2.
void push_harmless_copy(lua_State* state) {
  for (const char* name : {"__gc", "__mode", "__close"}) refuse_field(state, name);
  lua_newtable(state);
  for (const char* name : kMetamethods) copy_field(state, name);
  // A chain of tables that call each other is followed without a limit by Lua 5.4.4.
  lua_pushliteral(state, "__call");
  if (int type = lua_rawget(state, 2); type != LUA_TNIL && type != LUA_TFUNCTION) {
    luaL_error(state, "__call must be a function");
  }
  lua_setfield(state, -2, "__call");
  lua_pushliteral(state, "__metatable");
  if (lua_rawget(state, 2) == LUA_TNIL) {
    lua_pop(state, 1);
    lua_pushvalue(state, 2);
  } else {
    lua_pushboolean(state, 1);
    lua_rawseti(state, -3, kProtectedMark);
  }
  lua_setfield(state, -2, "__metatable");
}

int base_setmetatable(lua_State* state) {
  luaL_checktype(state, 1, LUA_TTABLE);
  int type = lua_type(state, 2);
  luaL_argexpected(state, type == LUA_TNIL || type == LUA_TTABLE, 2, "nil or table");
  if (is_protected(state, 1)) return luaL_error(state, "cannot change a protected metatable");
  lua_settop(state, 2);
  if (type == LUA_TTABLE) push_harmless_copy(state);
  lua_setmetatable(state, 1);
  lua_settop(state, 1);
  return 1;
}

int base_getmetatable(lua_State* state) {
  luaL_checkany(state, 1);
  if (!lua_getmetatable(state, 1)) {
    lua_pushnil(state);
    return 1;
  }
  lua_pushliteral(state, "__metatable");
  lua_rawget(state, -2);
  return 1;
}

// ---------------------------------------------------------------- texts

int base_tostring(lua_State* state) {
  luaL_checkany(state, 1);
  spend(state, 10);
  push_text(state, 1);
  return 1;
}

// log(...): the values, with a blank between them, as one line of the error log at level info.
int base_log(lua_State* state) {
  int count = lua_gettop(state);
  luaL_Buffer buffer;
  luaL_buffinit(state, &buffer);
  for (int i = 1; i <= count; ++i) {
    if (i > 1) add_text(buffer, " ");
    push_text(state, i);
    add_value(buffer);
  }
  luaL_pushresult(&buffer);
  spend(state, 100);
  Vm::of(state).log(check_text(state, -1));
  return 0;
}

// hash(text [, n]): a number from 0 to n-1 (without n, to 2^63-1) that depends on the text alone.
int base_hash(lua_State* state) {
  std::string_view text = check_text(state, 1);
  lua_Integer range = luaL_optinteger(state, 2, 0);
  luaL_argcheck(state, range >= 0, 2, "must not be negative");
  spend(state, 1 + text.size() / 16);
  auto hash = static_cast<lua_Integer>(stable_hash(text) >> 1);
  lua_pushinteger(state, range == 0 ? hash : hash % range);
  return 1;
}

}  // namespace

void push_text(lua_State* state, int index) {
  index = lua_absindex(state, index);
  if (luaL_callmeta(state, index, "__tostring")) {
    if (!lua_isstring(state, -1)) luaL_error(state, "'__tostring' must return a string");
    lua_tolstring(state, -1, nullptr);
    return;
  }
  switch (lua_type(state, index)) {
    case LUA_TNUMBER:
    case LUA_TSTRING:
      lua_pushvalue(state, index);
      lua_tolstring(state, -1, nullptr);
      return;
    case LUA_TBOOLEAN:
      lua_pushstring(state, lua_toboolean(state, index) ? "true" : "false");
      return;
    default:
      if (luaL_getmetafield(state, index, "__name") == LUA_TSTRING) return;
      lua_pushstring(state, luaL_typename(state, index));
  }
}

void add_text(luaL_Buffer& buffer, std::string_view text) {
  if (luaL_bufflen(&buffer) + text.size() > Vm::kMaxString) Vm::of(buffer.L).stop(Failure::memory);
  luaL_addlstring(&buffer, text.data(), text.size());
}

void add_value(luaL_Buffer& buffer) {
  size_t size = 0;
  lua_tolstring(buffer.L, -1, &size);
  if (luaL_bufflen(&buffer) + size > Vm::kMaxString) Vm::of(buffer.L).stop(Failure::memory);
  luaL_addvalue(&buffer);
}

void add_base_functions(lua_State* state) {
  constexpr luaL_Reg kFunctions[] = {{"next", base_next},
                                     {"pairs", base_pairs},
                                     {"rawset", base_rawset},
                                     {"setmetatable", base_setmetatable},
                                     {"getmetatable", base_getmetatable},
                                     {"tostring", base_tostring},
                                     {"log", base_log},
                                     {"print", base_log},
                                     {"hash", base_hash},
                                     {nullptr, nullptr}};
  luaL_setfuncs(state, kFunctions, 0);
}

}  // namespace banyan::lua
