// What scripts find in their environment, and what they must not find.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/stable_hash.h"
#include "unit/lua/request.h"

namespace banyan::lua {
namespace {

using ::testing::HasSubstr;

TEST(Sandbox, DangerousNamesAreAbsent) {
  for (const char* name : {"io", "os", "package", "debug", "coroutine", "require", "load", "loadfile",
                           "loadstring", "dofile", "collectgarbage", "warn", "module", "string.dump",
                           "string.pack", "string.unpack", "string.packsize"}) {
    EXPECT_EQ(evaluate(name), "nil") << name;
    EXPECT_EQ(evaluate("_G." + std::string(name)), "nil") << name;
  }
}

// Everything that can be reached from the environment, by name; a new entry is a decision.
TEST(Sandbox, OffersExactlyThis) {
  CallResult result = run_body(R"lua(
    local names, seen = {}, {}
    local known = { "_G", "_VERSION", "assert", "error", "getmetatable", "hash", "ipairs", "log", "math", "next",
      "pairs", "pcall", "print", "rawequal", "rawget", "rawlen", "rawset", "select", "setmetatable", "string",
      "table", "tonumber", "tostring", "type", "utf8", "xpcall" }
    for _, name in ipairs(known) do if _ENV[name] == nil then error("missing " .. name) end end
    for _, lib in ipairs { "string", "table", "math", "utf8" } do
      if next(_G[lib]) ~= nil then error(lib .. " is not empty") end
    end
    if next(_G) ~= nil then error("_G is not empty") end
    return { reason = "fine" })lua");
  EXPECT_EQ(result.outcome.reason, "fine") << result.message;
}

TEST(Sandbox, StringMetatableIsProtected) {
  EXPECT_EQ(evaluate("getmetatable('')"), "false");
  EXPECT_THAT(run_body("getmetatable('').__index = nil").message,
              HasSubstr("attempt to index a boolean value"));
  EXPECT_THAT(run_body("string.find = function() end").message, HasSubstr("this table is read-only"));
  EXPECT_THAT(run_body("rawset(string, 'find', 1)").message, HasSubstr("this table is protected"));
  EXPECT_THAT(run_body("setmetatable(string, {})").message, HasSubstr("cannot change a protected metatable"));
  EXPECT_THAT(run_body("setmetatable(_G, {})").message, HasSubstr("cannot change a protected metatable"));
  EXPECT_THAT(run_body("table.insert(string, 1)").message, HasSubstr("this table is read-only"));
  EXPECT_THAT(run_body("setmetatable('', {})").message, HasSubstr("table expected"));
}

TEST(Sandbox, ScriptsShareNothing) {
  auto one = make_script("shared = 1 return { route = function() return { key = tostring(shared) } end }");
  auto two = make_script("return { route = function() return { key = tostring(shared) } end }");
  ASSERT_TRUE(one && two);
  EXPECT_EQ(one->route(Request()).outcome.key, "1");
  EXPECT_EQ(two->route(Request()).outcome.key, "nil");
}

TEST(Sandbox, GlobalsAreFrozenAfterLoading) {
  auto script = make_script(
      "count = 0\nfunction helper() return 'h' end\nreturn { route = function(req)\n"
      "if req.path == '/new' then leaked = 1 end if req.path == '/old' then count = 1 end\n"
      "if req.path == '/raw' then rawset(_G, 'x', 1) end return { key = helper() } end }");
  ASSERT_TRUE(script);
  EXPECT_EQ(script->route(Request()).outcome.key, "h");
  Request request;
  request.path_text = "/new";
  EXPECT_EQ(script->route(request).message,
            "routes.lua:4: global 'leaked' cannot be assigned in route(); use a local");
  request.path_text = "/old";
  EXPECT_THAT(script->route(request).message, HasSubstr("global 'count' cannot be assigned"));
  request.path_text = "/raw";
  EXPECT_THAT(script->route(request).message, HasSubstr("this table is protected"));
}

TEST(Sandbox, RequestCannotBeReadWhileLoading) {
  // There is no request object yet; a function that is called while loading has nothing to read.
  EXPECT_THAT(load_error("local M = {} function M.route(req) return req.path end M.route() return M"),
              HasSubstr("attempt to index a nil value (local 'req')"));
}

TEST(Sandbox, AddressesAreNotShown) {
  EXPECT_EQ(evaluate("{}"), "table");
  EXPECT_EQ(evaluate("print"), "function");
  EXPECT_EQ(evaluate("req"), "request");
  EXPECT_EQ(evaluate("req.headers"), "headers");
  EXPECT_EQ(evaluate("string.format('%s', {})"), "table");
  EXPECT_THAT(evaluate("string.format('%p', {})"), HasSubstr("invalid conversion '%p' to 'format'"));
}

TEST(Sandbox, Metatables) {
  EXPECT_EQ(evaluate("setmetatable({}, { __index = { a = 5 } }).a"), "5");
  EXPECT_EQ(evaluate("setmetatable({}, { __call = function(_, x) return x end })(7)"), "7");
  EXPECT_EQ(evaluate("setmetatable({}, { __tostring = function() return 'me' end })"), "me");
  EXPECT_EQ(evaluate("setmetatable({}, { __name = 'thing' })"), "thing");
  EXPECT_EQ(evaluate("setmetatable({}, { __add = function() return 'sum' end }) + 1"), "sum");
  EXPECT_EQ(evaluate("#setmetatable({}, { __len = function() return 3 end })"), "3");
  CallResult result = run_body(
      "local Class = {} Class.__index = Class function Class.new(x) return setmetatable({ x = x }, Class) "
      "end\n"
      "function Class:double() return self.x * 2 end\n"
      "local o = Class.new(21) if getmetatable(o) ~= Class then error('other metatable') end\n"
      "return { key = o:double() }");
  EXPECT_EQ(result.outcome.key, "42") << result.message;
  EXPECT_THAT(run_body("setmetatable(setmetatable({}, { __metatable = 'locked' }), {})").message,
              HasSubstr("cannot change a protected metatable"));
  EXPECT_EQ(evaluate("getmetatable(setmetatable({}, { __metatable = 'locked' }))"), "locked");
  EXPECT_EQ(evaluate("getmetatable(setmetatable(setmetatable({}, {}), nil))"), "nil");
  for (const char* name : {"__gc", "__mode", "__close"}) {
    EXPECT_THAT(run_body("setmetatable({}, { " + std::string(name) + " = 'k' })").message,
                HasSubstr("is not available in routing scripts"));
  }
}

TEST(Sandbox, BaseFunctions) {
  EXPECT_EQ(evaluate("select('#', pcall(error, 'x'))"), "2");
  EXPECT_EQ(evaluate("select(2, xpcall(error, function(m) return m .. '!' end, 'x'))"), "x!");
  EXPECT_EQ(evaluate("tonumber('0x10') + tonumber('z', 36)"), "51");
  EXPECT_EQ(evaluate("'10' + 5"), "15");
  EXPECT_EQ(evaluate("1.0"), "1.0");
  EXPECT_EQ(evaluate("rawlen({ 1, 2 }) .. rawget({ a = 1 }, 'a')"), "21");
  EXPECT_EQ(evaluate("next({})"), "nil");
  EXPECT_EQ(evaluate("(next({ 5 }))"), "1");
  EXPECT_EQ(evaluate("math.floor(2.5) .. math.type(1) .. math.max(1, 3)"), "2integer3");
  EXPECT_EQ(evaluate("utf8.char(228, 8364) .. utf8.len('äö')"), "ä€2");
  EXPECT_EQ(evaluate("(utf8.codepoint('äb', 1, -1))"), "228");
  EXPECT_EQ(evaluate("select('#', ('abc'):byte(1, -1))"), "3");
  EXPECT_EQ(evaluate("select('#', ('abc'):byte(-2, 100))"), "2");
}

TEST(Sandbox, HashIsTheStableOne) {
  EXPECT_EQ(evaluate("hash('user-7')"), std::to_string(stable_hash("user-7") >> 1));
  EXPECT_EQ(evaluate("hash('user-7', 10000)"), std::to_string((stable_hash("user-7") >> 1) % 10000));
  EXPECT_THAT(evaluate("hash('x', -1)"), HasSubstr("must not be negative"));
}

TEST(Sandbox, TableFunctions) {
  EXPECT_EQ(evaluate("table.concat({ 1, 'b', 2.5 }, ', ')"), "1, b, 2.5");
  EXPECT_EQ(evaluate("table.concat({ 1, 2, 3, 4 }, '', 2, 3)"), "23");
  EXPECT_EQ(evaluate("'[' .. table.concat({}) .. ']'"), "[]");
  EXPECT_THAT(evaluate("table.concat({ 1, {} })"),
              HasSubstr("invalid value (at index 2) in table for 'concat'"));
  EXPECT_EQ(evaluate("select('#', table.unpack({ 1, nil, 3 }, 1, 3))"), "3");
  EXPECT_EQ(evaluate("table.pack(1, nil).n"), "2");
  auto after = [](std::string_view change) {
    return run_body("local t = { 3, 1, 2 } " + std::string(change) +
                    " return { reason = table.concat(t, ' ') }")
        .outcome.reason.value_or("failed");
  };
  EXPECT_EQ(after("table.insert(t, 4)"), "3 1 2 4");
  EXPECT_EQ(after("table.insert(t, 1, 4)"), "4 3 1 2");
  EXPECT_EQ(after("table.insert(t, 6, 4)"), "failed");
  EXPECT_EQ(after("table.remove(t)"), "3 1");
  EXPECT_EQ(after("table.remove(t, 1)"), "1 2");
  EXPECT_EQ(after("table.remove(t, 4)"), "3 1 2");
  EXPECT_EQ(after("table.remove(t, 5)"), "failed");
  EXPECT_EQ(after("table.sort(t)"), "1 2 3");
  EXPECT_EQ(after("table.sort(t, function(a, b) return a > b end)"), "3 2 1");
  EXPECT_EQ(after("table.move(t, 1, 3, 2)"), "3 3 1 2");
  EXPECT_EQ(after("table.move(t, 2, 3, 1)"), "1 2 2");
  EXPECT_EQ(after("t = table.move(t, 1, 3, 1, {})"), "3 1 2");
}

TEST(Sandbox, SortSortsAnything) {
  CallResult result = run_body(R"lua(
    for size = 0, 64 do
      local t = {}
      for i = 1, size do t[i] = (i * 7919) % 101 end
      table.sort(t)
      for i = 2, size do if t[i - 1] > t[i] then error("unsorted at " .. i .. " of " .. size) end end
      if #t ~= size then error("lost some of " .. size) end
    end
    return { reason = "sorted" })lua");
  EXPECT_EQ(result.outcome.reason, "sorted") << result.message;
}

TEST(Sandbox, FormatAsInLua) {
  EXPECT_EQ(evaluate("string.format('%d %5d|%-5d|%05d %x %X %i', 7, 7, 7, 7, 255, 255, -1)"),
            "7     7|7    |00007 ff FF -1");
  EXPECT_EQ(evaluate("string.format('%.2f %g %e %10.3f|', 1/3, 0.1, 12345.678, 2)"),
            "0.33 0.1 1.234568e+04      2.000|");
  EXPECT_EQ(evaluate("string.format('%s %10s|%-10s|%.2s', 'a', 'b', 'c', 'def')"),
            "a          b|c         |de");
  EXPECT_EQ(evaluate("string.format('%s %s %s', nil, true, 1.5)"), "nil true 1.5");
  EXPECT_EQ(evaluate("string.format('100%%')"), "100%");
  EXPECT_EQ(evaluate("#string.format('%99.99f', -1e308)"), "410");
  EXPECT_EQ(evaluate("string.format('%c%c', 72, 105)"), "Hi");
  EXPECT_EQ(evaluate("#string.format('%s', 'a\\0b')"), "3");
  EXPECT_EQ(evaluate("('%d'):format('10')"), "10");
  EXPECT_THAT(evaluate("string.format('%d', 'x')"), HasSubstr("number expected, got string"));
  EXPECT_THAT(evaluate("string.format('%d', 1.5)"), HasSubstr("number has no integer representation"));
  EXPECT_THAT(evaluate("string.format('%d')"), HasSubstr("no value"));
  EXPECT_THAT(evaluate("string.format('%')"), HasSubstr("invalid conversion"));
  EXPECT_THAT(evaluate("string.format('%q', 1)"), HasSubstr("invalid conversion '%q'"));
  EXPECT_THAT(evaluate("string.format('%123d', 1)"), HasSubstr("invalid conversion"));
}

TEST(Sandbox, Rep) {
  EXPECT_EQ(evaluate("('ab'):rep(3)"), "ababab");
  EXPECT_EQ(evaluate("('ab'):rep(3, '-')"), "ab-ab-ab");
  EXPECT_EQ(evaluate("('ab'):rep(1, '-') .. ('ab'):rep(0) .. ('ab'):rep(-1)"), "ab");
  EXPECT_EQ(evaluate("#('x'):rep(65536)"), "65536");
  EXPECT_EQ(run_body("return ('x'):rep(65537)").failure, Failure::memory);
}

}  // namespace
}  // namespace banyan::lua
