// Any text as a routing script, and as what route() returns: it ends, within its limits, and what comes out
// is what may come out.
#include <string>

#include "base/check.h"
#include "base/log.h"
#include "http/chars.h"
#include "lua/script.h"
#include "unit/lua/request.h"

namespace banyan::lua {
namespace {

void check_outcome(const CallResult& result) {
  CHECK(result.ok() == result.message.empty());
  const Outcome& outcome = result.outcome;
  CHECK(result.ok() || outcome.none());
  CHECK(!outcome.percent || (*outcome.percent >= 0 && *outcome.percent <= 100));
  CHECK(!outcome.key || !outcome.key->empty());
  CHECK(!outcome.reason || outcome.reason->size() <= 128);
  CHECK(!outcome.status || (*outcome.status >= 200 && *outcome.status <= 599));
  CHECK(!outcome.status || !(outcome.target || outcome.side || outcome.percent || outcome.key));
  CHECK(!outcome.body || outcome.status);
  for (const auto& [name, value] : outcome.set_headers) {
    CHECK(http::chars::is_token(name) && http::chars::all(value, http::chars::kFieldValue));
  }
  if (outcome.target) {
    bool known = false;
    for (const std::string& target : targets()) known = known || target == *outcome.target;
    CHECK(known);
  }
}

void check(const std::string& source) {
  const Limits limits{.instructions = 20'000, .memory = 1 << 20};
  auto script = Script::load("fuzz.lua", source, limits, targets());
  if (!script) {
    CHECK(!script.error().message.empty());
    return;
  }
  Request request = Request::with("x-user", "4711");
  request.headers.emplace_back("cookie", "uid=7; theme=dark");
  for (int i = 0; i < 3; ++i) check_outcome((*script)->route(request));
  (*script)->run_tests();
  CHECK((*script)->stats().memory <= limits.memory);
}

}  // namespace
}  // namespace banyan::lua

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  banyan::log::set_sink([](void*, std::string_view) {}, nullptr);
  if (size > 4096) return 0;
  const std::string text(reinterpret_cast<const char*>(data), size);
  banyan::lua::check(text);
  banyan::lua::check("return { route = function(req) return " + text + " end }");
  return 0;
}
