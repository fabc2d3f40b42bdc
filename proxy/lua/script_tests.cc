// Script::run_tests: the cases an author writes beside the rules.
//
//   M.tests = { { name = "beta", request = { path = "/x", headers = { ["X-Beta"] = "1" } }, expect = { side =
//   "native" } },
//               { name = "others stay", request = { path = "/x" }, expect = nil } }
//
// Fields that decide (target side percent key status) must be exactly those of `expect`; reason, body and
// set_headers are compared if `expect` names them.
#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "lua/outcome_reader.h"
#include "lua/script.h"
#include "lua/vm.h"

namespace banyan::lua {
namespace {

constexpr lua_Integer kMaxCases = 10'000;

// The request of a case. What it leaves out is a GET of "/" from 127.0.0.1.
class TestRequest final : public RequestView {
 public:
  std::string_view method() const override { return method_; }
  std::string_view path() const override { return path_; }
  std::string_view query() const override { return query_; }
  std::string_view host() const override { return host_; }
  std::string_view client_ip() const override { return client_ip_; }
  std::string_view route() const override { return route_; }
  bool tls() const override { return tls_; }
  size_t header_count() const override { return headers_.size(); }
  Field header_at(size_t index) const override { return {headers_[index].first, headers_[index].second}; }

  // Reads the table on the top of the stack. Empty, or what is wrong with it.
  std::string read(lua_State* state) {
    if (lua_isnil(state, -1)) return {};
    if (!lua_istable(state, -1)) return "request must be a table";
    std::string problem;
    lua_pushnil(state);
    while (problem.empty() && lua_next(state, -2)) {
      problem = read_field(state);
      lua_pop(state, problem.empty() ? 1 : 2);
    }
    split_query();
    return problem;
  }

 private:
  // The entry whose key is at -2 and whose value is at -1.
  std::string read_field(lua_State* state) {
    std::string_view name = lua_type(state, -2) == LUA_TSTRING ? text_at(state, -2) : std::string_view();
    if (name == "tls" && lua_isboolean(state, -1)) {
      tls_ = lua_toboolean(state, -1);
      return {};
    }
    if (name == "headers" && lua_istable(state, -1)) return read_headers(state);
    if (name == "cookies" && lua_istable(state, -1)) return read_cookies(state);
    std::string* text = find_text(name);
    if (!text || lua_type(state, -1) != LUA_TSTRING) {
      return fmt::format("request: {} = {} is not a field of a request", describe_value(state, -2),
                         describe_value(state, -1));
    }
    *text = text_at(state, -1);
    return {};
  }

  std::string* find_text(std::string_view name) {
    if (name == "method") return &method_;
    if (name == "path") return &path_;
    if (name == "query") return &query_;
    if (name == "host") return &host_;
    if (name == "client_ip") return &client_ip_;
    if (name == "route") return &route_;
    return nullptr;
  }

  // Calls `take` with each pair of texts of the table on the top; false if there is anything else in it.
  static bool each_pair(lua_State* state,
                        const std::function<void(std::string_view, std::string_view)>& take) {
    lua_pushnil(state);
    while (lua_next(state, -2)) {
      if (lua_type(state, -2) != LUA_TSTRING || lua_type(state, -1) != LUA_TSTRING) {
        lua_pop(state, 2);
        return false;
      }
      take(text_at(state, -2), text_at(state, -1));
      lua_pop(state, 1);
    }
    return true;
  }

  std::string read_headers(lua_State* state) {
    bool fine = each_pair(
        state, [&](std::string_view name, std::string_view value) { headers_.emplace_back(name, value); });
    return fine ? "" : "request: headers must hold texts by name";
  }

  std::string read_cookies(lua_State* state) {
    std::string line;
    bool fine = each_pair(state, [&](std::string_view name, std::string_view value) {
      line += fmt::format("{}{}={}", line.empty() ? "" : "; ", name, value);
    });
    headers_.emplace_back("cookie", line);
    return fine ? "" : "request: cookies must hold texts by name";
  }

  void split_query() {
    size_t mark = path_.find('?');
    if (mark == std::string::npos) return;
    query_ = path_.substr(mark + 1);
    path_.resize(mark);
  }

  std::string method_ = "GET";
  std::string path_ = "/";
  std::string query_;
  std::string host_;
  std::string client_ip_ = "127.0.0.1";
  std::string route_;
  bool tls_ = false;
  std::vector<std::pair<std::string, std::string>> headers_;
};

struct TestCase {
  std::string name;
  TestRequest request;
  Outcome expected;
  std::string problem;  // why it cannot be run
};

// The entry whose key is at -2 and whose value is at -1.
void read_case_field(lua_State* state, TestCase& test) {
  std::string_view key = lua_type(state, -2) == LUA_TSTRING ? text_at(state, -2) : std::string_view();
  if (key == "name" && lua_type(state, -1) == LUA_TSTRING) {
    test.name = text_at(state, -1);
  } else if (key == "request") {
    test.problem = test.request.read(state);
  } else if (key == "expect") {
    std::string problem;
    if (!read_expectation(state, -1, test.expected, problem)) test.problem = "expect: " + problem;
  } else {
    test.problem = fmt::format("{} is not a field of a test; it has name, request and expect",
                               describe_value(state, -2));
  }
}

std::vector<TestCase> read_cases(lua_State* state) {
  std::vector<TestCase> tests;
  for (lua_Integer i = 1; i <= kMaxCases; ++i) {
    bool table = lua_rawgeti(state, Vm::kTests, i) == LUA_TTABLE;
    if (lua_isnil(state, -1)) break;
    TestCase& test = tests.emplace_back();
    test.name = fmt::format("tests[{}]", i);
    if (!table) test.problem = "a test must be a table";
    if (table) lua_pushnil(state);
    while (table && test.problem.empty() && lua_next(state, -2)) {
      read_case_field(state, test);
      lua_pop(state, 1);
    }
    lua_settop(state, Vm::kTargets);
  }
  lua_settop(state, Vm::kTargets);
  return tests;
}

// ---------------------------------------------------------------- comparing

std::string describe(const Outcome& outcome) {
  std::string text;
  auto add = [&](std::string_view name, std::string_view value) {
    text += fmt::format("{}{} = {}", text.empty() ? "" : ", ", name, value);
  };
  if (outcome.target) add("target", *outcome.target);
  if (outcome.side) add("side", *outcome.side == Side::native ? "native" : "legacy");
  if (outcome.percent) add("percent", fmt::format("{}", *outcome.percent));
  if (outcome.key) add("key", *outcome.key);
  if (outcome.status) add("status", fmt::format("{}", *outcome.status));
  if (outcome.reason) add("reason", *outcome.reason);
  if (outcome.body) add("body", *outcome.body);
  for (const auto& [name, value] : outcome.set_headers) add(name, value);
  return text.empty() ? "nothing" : text;
}

bool agrees(const Outcome& outcome, const Outcome& expected) {
  bool decision = outcome.target == expected.target && outcome.side == expected.side &&
                  outcome.percent == expected.percent && outcome.key == expected.key &&
                  outcome.status == expected.status;
  bool rest = (!expected.reason || outcome.reason == expected.reason) &&
              (!expected.body || outcome.body == expected.body);
  return decision && rest &&
         std::all_of(expected.set_headers.begin(), expected.set_headers.end(), [&](const auto& field) {
           return std::find(outcome.set_headers.begin(), outcome.set_headers.end(), field) !=
                  outcome.set_headers.end();
         });
}

std::string verdict(const CallResult& result, const Outcome& expected) {
  if (!result.ok()) return fmt::format("{} ({})", result.message, failure_name(result.failure));
  if (agrees(result.outcome, expected)) return {};
  return fmt::format("expected {}; route() gave {}", describe(expected), describe(result.outcome));
}

}  // namespace

size_t TestReport::failed() const {
  return static_cast<size_t>(
      std::count_if(cases.begin(), cases.end(), [](const Case& test) { return !test.message.empty(); }));
}

TestReport Script::run_tests() const {
  TestReport report;
  auto fresh = load(name_, source_, limits_, targets_);
  if (!fresh) {
    report.cases.push_back({"load", fresh.error().message});
    return report;
  }
  Script& script = **fresh;
  lua_State* state = script.vm_->state();
  if (lua_isnil(state, Vm::kTests)) return report;
  if (!lua_istable(state, Vm::kTests)) {
    report.cases.push_back({"tests", "tests must be a list of tables"});
    return report;
  }
  for (TestCase& test : read_cases(state)) {
    std::string message = test.problem.empty()
                              ? verdict(script.call(test.request, MonotonicClock::now()), test.expected)
                              : test.problem;
    report.cases.push_back({std::move(test.name), std::move(message)});
  }
  return report;
}

}  // namespace banyan::lua
