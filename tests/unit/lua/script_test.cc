#include "lua/script.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "support/log_capture.h"
#include "support/source_root.h"
#include "unit/lua/request.h"

namespace banyan::lua {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr std::string_view kSpecExample = R"lua(
local M = {}
function M.route(req)
  if req.headers["x-beta"] == "1" then return { side = "native", reason = "beta" } end
  if req.path:find("^/admin") then return { target = "upstream.node" } end
end
return M
)lua";

size_t count(std::string_view text, std::string_view part) {
  size_t found = 0;
  for (size_t at = text.find(part); at != std::string_view::npos; at = text.find(part, at + 1)) ++found;
  return found;
}

// ---------------------------------------------------------------- deciding

TEST(Script, ExampleOfTheContract) {
  auto script = make_script(kSpecExample);
  ASSERT_TRUE(script);
  CallResult beta = script->route(Request::with("X-BETA", "1"));
  EXPECT_EQ(beta.outcome.side, Side::native);
  EXPECT_EQ(beta.outcome.reason, "beta");
  Request admin;
  admin.path_text = "/admin/users";
  EXPECT_EQ(script->route(admin).outcome.target, "upstream.node");
  CallResult other = script->route(Request::with("X-Beta", "0"));
  EXPECT_TRUE(other.ok());
  EXPECT_TRUE(other.outcome.none());
  EXPECT_EQ(script->stats().calls[static_cast<size_t>(Failure::none)], 3u);
  EXPECT_GT(script->stats().seconds, 0);
  EXPECT_GT(script->stats().memory, 0u);
}

TEST(Script, ReadsAllFieldsOfTheRequest) {
  Request request = Request::with("Cookie", "a=1; uid=u7;b");
  request.headers.emplace_back("X-Long", "v");
  request.query_text = "x=1";
  request.encrypted = true;
  EXPECT_EQ(evaluate("req.method .. ' ' .. req.path .. ' ' .. req.query", request), "GET / x=1");
  EXPECT_EQ(evaluate("req.host .. ' ' .. req.client_ip .. ' ' .. req.route", request),
            "www.example.org 192.0.2.7 front");
  EXPECT_EQ(evaluate("req.tls", request), "true");
  EXPECT_EQ(evaluate("req.cookies.uid", request), "u7");
  EXPECT_EQ(evaluate("req.cookies.UID", request), "nil");
  EXPECT_EQ(evaluate("req.headers['x-LONG']", request), "v");
  EXPECT_EQ(evaluate("req.headers['absent']", request), "nil");
  EXPECT_THAT(evaluate("req.pth", request), HasSubstr("routes.lua:3: request has no field 'pth'"));
}

TEST(Script, WalksHeadersAndCookies) {
  Request request = Request::with("X-A", "1");
  request.headers.emplace_back("x-a", "2");
  request.headers.emplace_back("Cookie", "k=v; ; broken; q=\"z\"");
  request.headers.emplace_back("cookie", "second=2");
  auto walk = [&](std::string_view what) {
    return run_body(
               "local t = {} for k, v in pairs(req." + std::string(what) +
                   ") do t[#t + 1] = k .. '=' .. v end return { status = 200, body = table.concat(t, '|') }",
               request)
        .outcome.body;
  };
  EXPECT_EQ(walk("headers"), "x-a=1|x-a=2|cookie=k=v; ; broken; q=\"z\"|cookie=second=2");
  EXPECT_EQ(walk("cookies"), "k=v|q=\"z\"|second=2");
}

TEST(Script, RequestIsReadOnlyAndOnlyThereInRoute) {
  EXPECT_THAT(run_body("req.path = '/x'").message, HasSubstr("the request is read-only"));
  EXPECT_THAT(run_body("req.headers['x-a'] = '1'").message, HasSubstr("the request is read-only"));
  EXPECT_THAT(run_body("rawset(req, 'path', 1)").message, HasSubstr("table expected"));
  EXPECT_THAT(run_body("setmetatable(req, {})").message, HasSubstr("table expected"));
  EXPECT_EQ(evaluate("getmetatable(req)"), "false");
}

TEST(Script, KeptRequestIsTheRunningOne) {
  auto script = make_script(
      "local kept\nreturn { route = function(req) kept = kept or req return { key = kept.path } end }");
  ASSERT_TRUE(script);
  Request first, second;
  first.path_text = "/one";
  second.path_text = "/two";
  EXPECT_EQ(script->route(first).outcome.key, "/one");
  EXPECT_EQ(script->route(second).outcome.key, "/two");
}

TEST(Script, ReturnsEveryField) {
  CallResult result = run_body(
      "return { target = 'rollout.content', percent = 12.5, key = 77, reason = 'why', "
      "set_headers = { ['X-B'] = 'b', ['X-A'] = 1 } }");
  ASSERT_TRUE(result.ok()) << result.message;
  EXPECT_EQ(result.outcome.target, "rollout.content");
  EXPECT_EQ(result.outcome.percent, 12.5);
  EXPECT_EQ(result.outcome.key, "77");
  EXPECT_EQ(result.outcome.reason, "why");
  EXPECT_THAT(result.outcome.set_headers,
              ::testing::ElementsAre(std::pair<std::string, std::string>("X-A", "1"),
                                     std::pair<std::string, std::string>("X-B", "b")));
  result = run_body("return { status = 403, body = 'no' }");
  EXPECT_EQ(result.outcome.status, 403);
  EXPECT_EQ(result.outcome.body, "no");
  EXPECT_TRUE(run_body("return {}").outcome.none());
  EXPECT_TRUE(run_body("return").ok());
}

struct BadReturn {
  const char* body;
  const char* message;
};

class ScriptBadReturn : public ::testing::TestWithParam<BadReturn> {};

TEST_P(ScriptBadReturn, IsRefusedWithAReason) {
  CallResult result = run_body(GetParam().body);
  EXPECT_EQ(result.failure, Failure::bad_return) << result.message;
  EXPECT_TRUE(result.outcome.none());
  EXPECT_THAT(result.message, StartsWith("routes.lua: route() returned "));
  EXPECT_THAT(result.message, HasSubstr(GetParam().message));
}

INSTANTIATE_TEST_SUITE_P(
    All, ScriptBadReturn,
    ::testing::Values(
        BadReturn{"return { side = 7 }", "side = 7; expected \"legacy\" or \"native\""},
        BadReturn{"return { side = 'Native' }", "side = \"Native\"; expected \"legacy\" or \"native\""},
        BadReturn{"return 7", "7; expected nil or a table"},
        BadReturn{"return 'native'", "\"native\"; expected nil"},
        BadReturn{"return false", "false; expected nil"}, BadReturn{"return req", "a userdata; expected nil"},
        BadReturn{"return print", "a function; expected nil"},
        BadReturn{"return { sied = 'native' }", "unknown field \"sied\""},
        BadReturn{"return { 'native' }", "unknown field 1"},
        BadReturn{"return { [{}] = 'native' }", "unknown field a table"},
        BadReturn{"return { percent = 101 }", "percent = 101; expected a number from 0 to 100"},
        BadReturn{"return { percent = 0/0 }", "expected a number from 0 to 100"},
        BadReturn{"return { percent = '10' }", "percent = \"10\"; expected a number"},
        BadReturn{"return { key = '' }", "key = \"\"; expected"},
        BadReturn{"return { key = {} }", "key = a table"},
        BadReturn{"return { key = ('k'):rep(2000) }", "…\"; expected"},
        BadReturn{"return { reason = 'a\\nb' }", "reason = \"a?b\"; expected a printable"},
        BadReturn{"return { status = 99 }", "status = 99; expected a whole number from 200 to 599"},
        BadReturn{"return { status = 100 }", "from 200 to 599"},
        BadReturn{"return { status = 200.5 }", "whole number"},
        BadReturn{"return { status = 600 }", "from 200 to 599"},
        BadReturn{"return { body = 'x' }", "body without status"},
        BadReturn{"return { status = 200, body = {} }", "body = a table; expected a text"},
        BadReturn{"return { status = 200, side = 'native' }", "status beside target"},
        BadReturn{"return { target = 5 }", "target = 5; expected the name of a target"},
        BadReturn{"return { set_headers = 'x' }", "set_headers = \"x\"; expected a table"},
        BadReturn{"return { set_headers = { 'x' } }", "field names, not 1"},
        BadReturn{"return { set_headers = { ['a b'] = 'x' } }", "field names, not \"a b\""},
        BadReturn{"return { set_headers = { [''] = 'x' } }", "field names, not \"\""},
        BadReturn{"return { set_headers = { ['x-a'] = 'b\\r\\nc: d' } }", "legal field value"},
        BadReturn{"return { set_headers = { ['x-a'] = 'b\\0' } }", "legal field value"},
        BadReturn{"return { set_headers = { ['x-a'] = {} } }", "legal field value, not a table"},
        BadReturn{"return { set_headers = { ['Content-Length'] = '3' } }", "belongs to the connection"},
        BadReturn{"return { set_headers = { ['Transfer-encoding'] = 'chunked' } }",
                  "belongs to the connection"},
        BadReturn{"local h = {} for i = 1, 33 do h['x' .. i] = '1' end return { set_headers = h }",
                  "at most 32"},
        BadReturn{"return setmetatable({ side = 1 }, { __index = function() while true do end end, "
                  "__pairs = function() while true do end end })",
                  "side = 1"}));

TEST(Script, MetatablesOfResultsMeanNothing) {
  CallResult result = run_body("return setmetatable({}, { __index = { side = 'native' } })");
  EXPECT_TRUE(result.ok());
  EXPECT_TRUE(result.outcome.none());
}

TEST(Script, UnknownTargetLeavesTheStaticDecision) {
  auto script =
      make_script("return { route = function(req) local t = 'upstream.nod' return { target = t } end }");
  ASSERT_TRUE(script);
  CallResult result = script->route(Request());
  EXPECT_EQ(result.failure, Failure::unknown_target);
  EXPECT_TRUE(result.outcome.none());
  EXPECT_THAT(result.message, HasSubstr("unknown target \"upstream.nod\"; did you mean upstream.node?"));
  EXPECT_EQ(script->stats().calls[static_cast<size_t>(Failure::unknown_target)], 1u);
}

// ---------------------------------------------------------------- loading

TEST(ScriptLoad, ErrorsNameTheLine) {
  EXPECT_THAT(load_error("local M = {}\n\n\n\n\n\nfunction M.route(req) retrun nil end\nreturn M"),
              StartsWith("routes.lua:7: syntax error near 'nil'"));
  EXPECT_THAT(load_error("\nlocal x = nil + 1"), StartsWith("routes.lua:2: attempt to perform arithmetic"));
  EXPECT_EQ(load_error("return 5"),
            "routes.lua: the script must return a table with a function route, not a number");
  EXPECT_EQ(load_error(""), "routes.lua: the script must return a table with a function route, not a nil");
  EXPECT_EQ(load_error("return {}"), "routes.lua: the returned table must have a function route, not a nil");
}

TEST(ScriptLoad, RefusesBytecodeAndHugeSources) {
  EXPECT_THAT(load_error("\x1bLua\x54"), HasSubstr("attempt to load a binary chunk"));
  EXPECT_THAT(load_error(std::string(2 << 20, ' ')), HasSubstr("larger than 1 MiB"));
}

TEST(ScriptLoad, FindsWrongTargetsWithoutRunning) {
  EXPECT_EQ(load_error("return { route = function(req)\n  if req.path == '/rare' then\n"
                       "    return { reason = 'x', target = \"upstream.nodee\" }\n  end\nend }"),
            "routes.lua:3: unknown target \"upstream.nodee\"; did you mean upstream.node?");
  EXPECT_THAT(load_error("return { targets = { 'upstream.node', 'handler.none' }, route = function() end }"),
              StartsWith("routes.lua: unknown target \"handler.none\""));
  EXPECT_THAT(load_error("return { targets = 'upstream.node', route = function() end }"),
              HasSubstr("list of names"));
  EXPECT_EQ(load_error("return { targets = { 'upstream.node' }, route = function() end }"), "");
}

TEST(ScriptLoad, DoesNotTakeOtherTextsForTargets) {
  EXPECT_EQ(load_error(R"lua(
-- return { target = "commented" }
--[==[ return { target = "commented too" } ]==]
local text = [[ return { target = "in a text" } ]]
local link = { target = "_blank" }
local function name(n) return { target = "upstream." .. n } end
local function swap() local side, target = "native", "x" return side, target end
local nested = function() return { f = function() local a, target = 1, "y"; target = "z"; return a, target end } end
local function other(t) return { nested = { target = "x" }, equal = t.target == "y", ["target"] = nil } end
return { route = function(req) return { target = "upstream.node" } end }
)lua"),
            "");
}

TEST(ScriptLoad, EndlessLoadingIsStopped) {
  // Which of the two limits comes first depends on the processor.
  EXPECT_THAT(load_error("while true do end"),
              ::testing::AnyOf("routes.lua:1: still running after 40 ms",
                               "routes.lua:1: more than 10000000 instructions"));
  EXPECT_THAT(load_error("local t = {} for i = 1, 1e9 do t[i] = {} end"),
              ::testing::AnyOf(HasSubstr("out of memory"), HasSubstr("still running")));
}

TEST(ScriptLoad, LargeAllowListIsFine) {
  std::string source = "local users = {\n";
  for (int i = 0; i < 5'000; ++i) source += "[\"user-" + std::to_string(i * 7919) + "\"]=true,\n";
  source +=
      "}\nreturn { route = function(req) if users[req.headers['x-user']] then return { side = 'native' } end "
      "end }";
  auto script = make_script(source);
  ASSERT_TRUE(script) << load_error(source);
  EXPECT_EQ(script->route(Request::with("X-User", "user-7919")).outcome.side, Side::native);
  EXPECT_TRUE(script->route(Request::with("X-User", "nobody")).outcome.none());
}

// ---------------------------------------------------------------- failing

TEST(Script, FailureNamesTheLineAndLeavesTheNextCallAlone) {
  auto script = make_script(
      "return { route = function(req)\n  if req.path == '/bad' then\n    local t = nil\n    return t.x\n  "
      "end\n"
      "  return { side = 'legacy' }\nend }");
  ASSERT_TRUE(script);
  Request bad;
  bad.path_text = "/bad";
  CallResult result = script->route(bad);
  EXPECT_EQ(result.failure, Failure::runtime);
  EXPECT_THAT(result.message, StartsWith("routes.lua:4: attempt to index a nil value (local 't')"));
  EXPECT_EQ(script->route(Request()).outcome.side, Side::legacy);
}

TEST(Script, ErrorValuesOfAllTypes) {
  EXPECT_EQ(run_body("error({ code = 1 })").message, "routes.lua: error value is a table");
  EXPECT_EQ(run_body("error()").message, "routes.lua: error value is a nil");
  EXPECT_EQ(run_body("error(setmetatable({}, { __tostring = function() while true do end end }))").message,
            "routes.lua: error value is a table");
  EXPECT_LE(run_body("error(('x'):rep(60000))").message.size(), 400u);
}

TEST(Script, FiveFailuresInARowSetItAside) {
  support::LogCapture log;
  auto script = make_script("return { route = function(req) error('broken') end }");
  ASSERT_TRUE(script);
  for (int i = 0; i < Script::kFailuresInARow; ++i) {
    EXPECT_FALSE(script->is_set_aside());
    EXPECT_EQ(script->route(Request()).failure, Failure::runtime);
  }
  EXPECT_TRUE(script->is_set_aside());
  CallResult result = script->route(Request());
  EXPECT_EQ(result.failure, Failure::set_aside);
  EXPECT_TRUE(result.outcome.none());
  script->route(Request());
  Stats stats = script->stats();
  EXPECT_TRUE(stats.set_aside);
  EXPECT_EQ(stats.calls[static_cast<size_t>(Failure::runtime)], 5u);
  EXPECT_EQ(stats.calls[static_cast<size_t>(Failure::set_aside)], 2u);
  EXPECT_EQ(stats.memory, 0u);
  EXPECT_EQ(count(log.text(), "set aside after repeated failures"), 1u);
  EXPECT_EQ(count(log.text(), "broken"), 1u) << log.text();
}

TEST(Script, ASuccessEndsTheRow) {
  auto script = make_script(
      "local n = 0\nreturn { route = function(req) n = n + 1 if n % 5 > 0 then error('x') end end }");
  ASSERT_TRUE(script);
  for (int i = 0; i < 50; ++i) script->route(Request());
  EXPECT_FALSE(script->is_set_aside());
}

TEST(Script, PassedLimitsAddUp) {
  Limits limits;
  limits.instructions = 10'000;
  auto script = make_script(
      "return { route = function(req) if req.path == '/slow' then while true do end end end }", limits);
  ASSERT_TRUE(script);
  Request slow;
  slow.path_text = "/slow";
  for (int i = 0; i < 30 && !script->is_set_aside(); ++i) script->route(i % 4 == 3 ? Request() : slow);
  EXPECT_TRUE(script->is_set_aside());
}

TEST(Script, RareLimitsDoNotSetAside) {
  Limits limits;
  limits.wall = std::chrono::seconds(1);
  limits.instructions = 10'000;
  auto script = make_script(
      "return { route = function(req) if req.path == '/slow' then while true do end end end }", limits);
  ASSERT_TRUE(script);
  Request slow;
  slow.path_text = "/slow";
  for (int i = 0; i < 600; ++i) {
    EXPECT_EQ(script->route(i % 30 == 0 ? slow : Request()).failure,
              i % 30 == 0 ? Failure::instructions : Failure::none);
  }
  EXPECT_EQ(script->stats().restarts, 20u);
}

TEST(Script, CarryOverKeepsCountersAndWhatWasSetAside) {
  constexpr std::string_view kBroken = "return { route = function(req) error('broken') end }";
  auto script = make_script(kBroken);
  ASSERT_TRUE(script);
  for (int i = 0; i < 6; ++i) script->route(Request());
  auto same = make_script(kBroken);
  auto changed = make_script("return { route = function(req) return { side = 'native' } end }");
  ASSERT_TRUE(same && changed);
  same->carry_over(*script);
  changed->carry_over(*script);
  EXPECT_TRUE(same->is_set_aside());
  EXPECT_EQ(same->route(Request()).failure, Failure::set_aside);
  EXPECT_FALSE(changed->is_set_aside());
  EXPECT_EQ(changed->route(Request()).outcome.side, Side::native);
  EXPECT_EQ(changed->stats().calls[static_cast<size_t>(Failure::runtime)], 5u);
}

TEST(Script, StateStaysBetweenCallsUntilALimitIsPassed) {
  auto script = make_script(
      "local n = 0\nreturn { route = function(req) n = n + 1 if req.path == '/hog' then "
      "local t = {} for i = 1, 1e9 do t[i] = i end end return { key = n } end }");
  ASSERT_TRUE(script);
  EXPECT_EQ(script->route(Request()).outcome.key, "1");
  EXPECT_EQ(script->route(Request()).outcome.key, "2");
  Request hog;
  hog.path_text = "/hog";
  EXPECT_FALSE(script->route(hog).ok());
  EXPECT_EQ(script->route(Request()).outcome.key, "1");
}

TEST(Script, GarbageOfManyCallsIsCollected) {
  Limits limits;
  limits.memory = 512 * 1024;
  auto script = make_script(
      "return { route = function(req) return { key = ('x'):rep(1000), reason = 'r' } end }", limits);
  ASSERT_TRUE(script);
  for (int i = 0; i < 5000; ++i) ASSERT_TRUE(script->route(Request()).ok());
}

// ---------------------------------------------------------------- M.tests

TEST(ScriptTests, RunsTheAuthorsCases) {
  auto script = make_script(std::string(kSpecExample.substr(0, kSpecExample.rfind("return M"))) + R"lua(
M.tests = {
  { name = "beta", request = { path = "/x", headers = { ["X-Beta"] = "1" } }, expect = { side = "native" } },
  { name = "others", request = { path = "/x?beta=1", method = "POST", cookies = { uid = "7" }, tls = true } },
  { request = { path = "/admin" }, expect = { target = "upstream.node", reason = "admin" } },
  { name = "wrong", request = {}, expect = { side = "legacy" } },
}
return M)lua");
  ASSERT_TRUE(script);
  TestReport report = script->run_tests();
  ASSERT_EQ(report.cases.size(), 4u);
  EXPECT_EQ(report.failed(), 2u);
  EXPECT_EQ(report.cases[0].message, "");
  EXPECT_EQ(report.cases[1].message, "");
  EXPECT_EQ(report.cases[2].name, "tests[3]");
  EXPECT_EQ(report.cases[2].message,
            "expected target = upstream.node, reason = admin; route() gave target = upstream.node");
  EXPECT_EQ(report.cases[3].name, "wrong");
  EXPECT_EQ(report.cases[3].message, "expected side = legacy; route() gave nothing");
  EXPECT_EQ(script->stats().calls[0], 0u);
}

TEST(ScriptTests, SayWhatIsWrongWithACase) {
  auto script = make_script(R"lua(return {
  route = function(req) if req.path == '/loop' then while true do end end return { percent = 5 } end,
  tests = { { request = { pth = "/" } }, { requst = {} }, { expect = { side = 1 } }, 7,
            { request = { headers = { "x" } } }, { request = { path = "/loop" } }, { expect = { percent = 5 } } } })lua");
  ASSERT_TRUE(script);
  TestReport report = script->run_tests();
  ASSERT_EQ(report.cases.size(), 7u);
  EXPECT_EQ(report.cases[0].message, "request: \"pth\" = \"/\" is not a field of a request");
  EXPECT_THAT(report.cases[1].message, HasSubstr("\"requst\" is not a field of a test"));
  EXPECT_THAT(report.cases[2].message, HasSubstr("expect: side = 1; expected"));
  EXPECT_EQ(report.cases[3].message, "a test must be a table");
  EXPECT_THAT(report.cases[4].message, HasSubstr("headers must hold texts"));
  EXPECT_THAT(report.cases[5].message, ::testing::AnyOf(HasSubstr("(wall)"), HasSubstr("(instructions)")));
  EXPECT_EQ(report.cases[6].message, "") << "a passed limit does not spoil the cases after it";
}

TEST(ScriptTests, TheShippedScriptPassesItsOwn) {
  auto path = support::source_root() / "scripts/routes.lua";
  std::ifstream file(path);
  std::string source(std::istreambuf_iterator<char>(file), {});
  auto script = make_script(source);
  ASSERT_TRUE(script) << load_error(source);
  TestReport report = script->run_tests();
  EXPECT_GE(report.cases.size(), 6u);
  for (const TestReport::Case& test : report.cases) EXPECT_EQ(test.message, "") << test.name;
}

TEST(ScriptTests, AbsentOrOfAWrongType) {
  EXPECT_TRUE(make_script("return { route = function() end }")->run_tests().cases.empty());
  EXPECT_EQ(make_script("return { route = function() end, tests = 5 }")->run_tests().failed(), 1u);
}

}  // namespace
}  // namespace banyan::lua
