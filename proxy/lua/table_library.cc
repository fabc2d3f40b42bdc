// The table library (Lua 5.4 manual, section 6.6), every element paid for.
#include <climits>

#include "lua/library.h"

namespace banyan::lua {
namespace {

// A comparison may walk over two strings of Vm::kMaxString.
constexpr uint64_t kCompareCost = 4;

lua_Integer length_of(lua_State* state, int index) {
  luaL_checktype(state, index, LUA_TTABLE);
  lua_Integer size = luaL_len(state, index);
  luaL_argcheck(state, size < INT_MAX, index, "too many elements");
  return size;
}

int table_insert(lua_State* state) {
  lua_Integer size = length_of(state, 1);
  int count = lua_gettop(state);
  if (count != 2 && count != 3) return luaL_error(state, "wrong number of arguments to 'insert'");
  lua_Integer position = count == 2 ? size + 1 : luaL_checkinteger(state, 2);
  luaL_argcheck(state, position >= 1 && position <= size + 1, 2, "position out of bounds");
  for (lua_Integer i = size; i >= position; --i) {
    spend(state, 1);
    lua_geti(state, 1, i);
    lua_seti(state, 1, i + 1);
  }
  lua_settop(state, count);
  lua_seti(state, 1, position);
  return 0;
}

int table_remove(lua_State* state) {
  lua_Integer size = length_of(state, 1);
  lua_Integer position = luaL_optinteger(state, 2, size);
  if (lua_gettop(state) > 1) {
    luaL_argcheck(state, position == size || (position >= 1 && position <= size + 1), 2,
                  "position out of bounds");
  }
  lua_geti(state, 1, position);
  for (; position < size; ++position) {
    spend(state, 1);
    lua_geti(state, 1, position + 1);
    lua_seti(state, 1, position);
  }
  lua_pushnil(state);
  lua_seti(state, 1, position);
  return 1;
}

int table_move(lua_State* state) {
  luaL_checktype(state, 1, LUA_TTABLE);
  lua_Integer from = luaL_checkinteger(state, 2);
  lua_Integer last = luaL_checkinteger(state, 3);
  lua_Integer to = luaL_checkinteger(state, 4);
  int target = lua_isnoneornil(state, 5) ? 1 : 5;
  luaL_checktype(state, target, LUA_TTABLE);
  if (last >= from) {
    luaL_argcheck(state, from > 0 || last < LUA_MAXINTEGER + from, 3, "too many elements to move");
    lua_Integer count = last - from;  // one less
    luaL_argcheck(state, to <= LUA_MAXINTEGER - count, 4, "destination wrap around");
    bool backwards = to > from && to <= last && target == 1;
    for (lua_Integer i = 0; i <= count; ++i) {
      spend(state, 1);
      lua_Integer offset = backwards ? count - i : i;
      lua_geti(state, 1, from + offset);
      lua_seti(state, target, to + offset);
    }
  }
  lua_pushvalue(state, target);
  return 1;
}

int table_concat(lua_State* state) {
  lua_Integer size = length_of(state, 1);
  std::string_view separator = lua_isnoneornil(state, 2) ? std::string_view() : check_text(state, 2);
  lua_Integer first = luaL_optinteger(state, 3, 1);
  lua_Integer last = luaL_optinteger(state, 4, size);
  luaL_Buffer buffer;
  luaL_buffinit(state, &buffer);
  for (lua_Integer i = first; i <= last; ++i) {
    spend(state, 1);
    lua_geti(state, 1, i);
    if (!lua_isstring(state, -1)) {
      return luaL_error(state, "invalid value (at index %I) in table for 'concat'",
                        static_cast<LUAI_UACINT>(i));
    }
    add_value(buffer);
    if (i == last) break;
    add_text(buffer, separator);
  }
  luaL_pushresult(&buffer);
  return 1;
}

int table_pack(lua_State* state) {
  int count = lua_gettop(state);
  spend(state, static_cast<uint64_t>(count));
  lua_createtable(state, count, 1);
  lua_insert(state, 1);
  for (int i = count; i >= 1; --i) lua_rawseti(state, 1, i);
  lua_pushinteger(state, count);
  lua_setfield(state, 1, "n");
  return 1;
}

int table_unpack(lua_State* state) {
  lua_Integer first = luaL_optinteger(state, 2, 1);
  lua_Integer last = lua_isnoneornil(state, 3) ? luaL_len(state, 1) : luaL_checkinteger(state, 3);
  if (first > last) return 0;
  auto count = static_cast<uint64_t>(last) - static_cast<uint64_t>(first) + 1;
  if (count == 0 || count > static_cast<uint64_t>(kMaxValues) ||
      !lua_checkstack(state, static_cast<int>(count))) {
    return luaL_error(state, "too many results to unpack");
  }
  for (lua_Integer i = first;; ++i) {
    spend(state, 1);
    lua_geti(state, 1, i);
    if (i == last) break;
  }
  return static_cast<int>(count);
}

// ---------------------------------------------------------------- sort: a heap sort
//
// n log n whatever the order function answers, and never outside of the table, so a lying one only gets a
// table in no particular order.

// Whether the value at `a` goes before the one at `b`.
bool goes_before(lua_State* state, int a, int b) {
  spend(state, kCompareCost);
  if (lua_isnoneornil(state, 2)) return lua_compare(state, a, b, LUA_OPLT) != 0;
  a = lua_absindex(state, a);
  b = lua_absindex(state, b);
  lua_pushvalue(state, 2);
  lua_pushvalue(state, a);
  lua_pushvalue(state, b);
  lua_call(state, 2, 1);
  bool before = lua_toboolean(state, -1);
  lua_pop(state, 1);
  return before;
}

// The value on the top sinks from `root` to its place among the first `size`; it is popped.
void sink(lua_State* state, lua_Integer root, lua_Integer size) {
  while (root <= size / 2) {
    lua_Integer child = 2 * root;
    lua_geti(state, 1, child);
    if (child < size) {
      lua_geti(state, 1, child + 1);
      if (goes_before(state, -2, -1)) {
        ++child;
        lua_replace(state, -2);
      } else {
        lua_pop(state, 1);
      }
    }
    if (!goes_before(state, -2, -1)) {
      lua_pop(state, 1);
      break;
    }
    lua_seti(state, 1, root);
    root = child;
  }
  lua_seti(state, 1, root);
}

int table_sort(lua_State* state) {
  lua_Integer size = length_of(state, 1);
  if (!lua_isnoneornil(state, 2)) luaL_checktype(state, 2, LUA_TFUNCTION);
  lua_settop(state, 2);
  for (lua_Integer root = size / 2; root >= 1; --root) {
    lua_geti(state, 1, root);
    sink(state, root, size);
  }
  for (lua_Integer last = size; last >= 2; --last) {
    lua_geti(state, 1, last);
    lua_geti(state, 1, 1);
    lua_seti(state, 1, last);
    sink(state, 1, last - 1);
  }
  return 0;
}

}  // namespace

void add_table_functions(lua_State* state) {
  constexpr luaL_Reg kFunctions[] = {{"concat", table_concat}, {"insert", table_insert}, {"move", table_move},
                                     {"pack", table_pack},     {"remove", table_remove}, {"sort", table_sort},
                                     {"unpack", table_unpack}, {nullptr, nullptr}};
  luaL_setfuncs(state, kFunctions, 0);
}

}  // namespace banyan::lua
