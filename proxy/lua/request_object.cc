// The `request` a script gets: three userdata without content, made once per state. Reading a field asks the
// request of the running call; nothing is built before, and nothing can be kept by mistake after.
#include "lua/library.h"

namespace banyan::lua {
namespace {

constexpr int kHeaders = 1;  // upvalues of request_index
constexpr int kCookies = 2;

const RequestView& current(lua_State* state) {
  const RequestView* request = Vm::of(state).request();
  if (!request) luaL_error(state, "the request can only be read while route() runs");
  return *request;
}

int push_view(lua_State* state, std::string_view text) {
  lua_pushlstring(state, text.data(), text.size());
  return 1;
}

int request_index(lua_State* state) {
  std::string_view name = check_text(state, 2);
  const RequestView& request = current(state);
  if (name == "headers") return lua_pushvalue(state, lua_upvalueindex(kHeaders)), 1;
  if (name == "path") return push_view(state, request.path());
  if (name == "method") return push_view(state, request.method());
  if (name == "query") return push_view(state, request.query());
  if (name == "host") return push_view(state, request.host());
  if (name == "cookies") return lua_pushvalue(state, lua_upvalueindex(kCookies)), 1;
  if (name == "client_ip") return push_view(state, request.client_ip());
  if (name == "route") return push_view(state, request.route());
  if (name == "tls") return lua_pushboolean(state, request.tls()), 1;
  if (name == "client_subject") return push_view(state, request.client_subject());
  return luaL_error(
      state,
      "request has no field '%s'; it has method path query host headers cookies client_ip route "
      "tls client_subject",
      name.data());
}

int refuse_change(lua_State* state) { return luaL_error(state, "the request is read-only"); }

int push_found(lua_State* state, std::optional<std::string_view> value) {
  if (value) return push_view(state, *value);
  lua_pushnil(state);
  return 1;
}

int headers_index(lua_State* state) {
  std::string_view name = check_text(state, 2);
  delay(state, 20);
  return push_found(state, current(state).header(name));
}

int cookies_index(lua_State* state) {
  std::string_view name = check_text(state, 2);
  delay(state, 100);
  return push_found(state, current(state).cookie(name));
}

// The iterators keep their place in upvalues: a name may come twice, so it cannot be the loop's control.
int next_header(lua_State* state) {
  auto index = static_cast<size_t>(lua_tointeger(state, lua_upvalueindex(1)));
  const RequestView& request = current(state);
  if (index >= request.header_count()) return 0;
  lua_pushinteger(state, static_cast<lua_Integer>(index + 1));
  lua_replace(state, lua_upvalueindex(1));
  Field field = request.header_at(index);
  luaL_Buffer buffer;
  char* name = luaL_buffinitsize(state, &buffer, field.name.size());
  for (size_t i = 0; i < field.name.size(); ++i) {
    char c = field.name[i];
    name[i] = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  }
  luaL_pushresultsize(&buffer, field.name.size());
  return 1 + push_view(state, field.value);
}

int headers_pairs(lua_State* state) {
  lua_pushinteger(state, 0);
  lua_pushcclosure(state, next_header, 1);
  return 1;
}

int next_cookie_of_request(lua_State* state) {
  CookiePlace place{static_cast<size_t>(lua_tointeger(state, lua_upvalueindex(1))),
                    static_cast<size_t>(lua_tointeger(state, lua_upvalueindex(2)))};
  Field cookie;
  delay(state, 50);
  if (!next_cookie(current(state), place, cookie)) return 0;
  lua_pushinteger(state, static_cast<lua_Integer>(place.header));
  lua_replace(state, lua_upvalueindex(1));
  lua_pushinteger(state, static_cast<lua_Integer>(place.offset));
  lua_replace(state, lua_upvalueindex(2));
  return push_view(state, cookie.name) + push_view(state, cookie.value);
}

int cookies_pairs(lua_State* state) {
  lua_pushinteger(state, 0);
  lua_pushinteger(state, 0);
  lua_pushcclosure(state, next_cookie_of_request, 2);
  return 1;
}

// Pushes a userdata whose metatable has these functions; `index` takes the `upvalues` on the top.
void push_object(lua_State* state, const char* name, lua_CFunction index, int upvalues, lua_CFunction pairs) {
  lua_pushcclosure(state, index, upvalues);
  lua_newuserdatauv(state, 0, 0);
  lua_createtable(state, 1, 5);
  lua_rotate(state, -3, -1);
  lua_setfield(state, -2, "__index");
  lua_pushcfunction(state, refuse_change);
  lua_setfield(state, -2, "__newindex");
  if (pairs) {
    lua_pushcfunction(state, pairs);
    lua_setfield(state, -2, "__pairs");
  }
  lua_pushstring(state, name);
  lua_setfield(state, -2, "__name");
  lua_pushboolean(state, 0);
  lua_setfield(state, -2, "__metatable");
  lua_pushboolean(state, 1);
  lua_rawseti(state, -2, kProtectedMark);
  lua_setmetatable(state, -2);
}

}  // namespace

void push_request(lua_State* state) {
  push_object(state, "headers", headers_index, 0, headers_pairs);
  push_object(state, "cookies", cookies_index, 0, cookies_pairs);
  push_object(state, "request", request_index, 2, nullptr);
}

}  // namespace banyan::lua
