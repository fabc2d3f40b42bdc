#include "process/generation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "configurations.h"
#include "process/explain.h"
#include "process/inheritance.h"
#include "process/workplace.h"
#include "unit/handlers/event_fixture.h"

namespace banyan::process {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr std::string_view kRollout = R"(
[[listener]]
address = "127.0.0.1:0"
[upstream.node]
servers = ["127.0.0.1:1"]
[handler.h]
type = "static_reply"
body = "native"
[rollout.r]
legacy = "upstream.node"
native = "handler.h"
percent = 100
sticky = ["cookie:uid"]
[[route]]
path = "/r"
host = "a.example"
target = "rollout.r"
[[route]]
path = "/old"
redirect = { to = "/new", status = 301 }
)";

class GenerationTest : public ::testing::Test {
 protected:
  Generation::Built build(std::string_view text, const Generation* previous = nullptr,
                          Generation::Options options = {}) {
    auto configuration = folder.read(text);
    CHECK(add_names(configuration->config, workplace.directory()).ok());
    CHECK(reserve_memory(configuration->config, workplace.directory(), segment).ok());
    return Generation::build(configuration, workplace.surroundings(), previous, options);
  }
  std::string errors(std::string_view text, Generation::Options options = {}) {
    return config::to_text(build(text, nullptr, options).diagnostics);
  }

  ConfigurationFolder folder;
  shm::Segment segment = std::move(*shm::Segment::create());
  Workplace workplace{segment, shm::worker_slot(0)};
  Random random{1};
};

TEST_F(GenerationTest, FindsItsTargets) {
  auto built = build(kRollout);
  ASSERT_THAT(config::to_text(built.diagnostics), IsEmpty());
  const Generation& generation = *built.generation;
  const route::Target* rollout = generation.find_target("rollout.r");
  ASSERT_NE(rollout, nullptr);
  ASSERT_NE(rollout->rollout, nullptr);
  EXPECT_EQ(rollout->rollout->legacy.handler, generation.find_target("upstream.node")->endpoint->handler);
  EXPECT_EQ(rollout->rollout->native.handler, generation.find_target("handler.h")->endpoint->handler);
  EXPECT_EQ(generation.find_target("handler.none"), nullptr);
  EXPECT_NE(generation.find_door("127.0.0.1:0"), nullptr);
  EXPECT_EQ(generation.find_door("127.0.0.1:1"), nullptr);
  EXPECT_EQ(built.generation->site()->router->routes().size(), 2u);
}

TEST_F(GenerationTest, WhatIsTheSameIsCarriedOver) {
  auto first = build(kRollout);
  std::string changed(kRollout);
  changed += "[[route]]\npath = \"/*\"\ntarget = \"upstream.node\"\n";
  auto second = build(changed, first.generation.get());
  EXPECT_EQ(second.generation->find_target("handler.h")->endpoint->handler,
            first.generation->find_target("handler.h")->endpoint->handler);
  EXPECT_EQ(second.generation->find_group("node"), first.generation->find_group("node"));
  EXPECT_NE(second.generation->find_group("node"), nullptr);
}

TEST_F(GenerationTest, WhatHasChangedIsNew) {
  auto first = build(kRollout);
  std::string changed(kRollout);
  changed.replace(changed.find("native\""), 6, "other");
  changed.replace(changed.find("127.0.0.1:1\""), 11, "127.0.0.1:2");
  auto second = build(changed, first.generation.get());
  EXPECT_NE(second.generation->find_target("handler.h")->endpoint->handler,
            first.generation->find_target("handler.h")->endpoint->handler);
  EXPECT_NE(second.generation->find_group("node"), first.generation->find_group("node"));
}

TEST_F(GenerationTest, TheOneBeforeMayDieFirst) {
  auto first = build(kRollout);
  auto second = build(kRollout, first.generation.get());
  first.generation.reset();
  auto third = build(kRollout, second.generation.get());
  EXPECT_EQ(third.generation->find_group("node"), second.generation->find_group("node"));
}

// However many reloads follow the one that left a handler out.
TEST_F(GenerationTest, WhatWasLeftOutHasItsTime) {
  const TimePoint start = workplace.loop().now();
  const Millis time{10'000};
  auto generation = build(R"(
[[listener]]
address = "127.0.0.1:0"
[handler.live]
type = "event_dispatch"
[[route]]
path = "/live/*"
target = "handler.live"
)")
                        .generation;
  generation->take_over_from(nullptr, start, {});
  handlers::EventClient client(workplace.loop());
  int alive = 0;
  testing::FakeRequest request{.path = "/live/x", .mount = "/live/"};
  request.fields = {{"Accept", "text/event-stream"}};
  client.join(*generation->find_target("handler.live")->endpoint->handler, request, alive);
  ASSERT_EQ(alive, 1);
  const auto reload = [&](Millis later) {
    auto next = build(kOneRoute, generation.get()).generation;
    next->take_over_from(generation.get(), start + later, time);
    generation = std::move(next);
  };
  reload(Millis(0));
  reload(time - Millis(1));
  EXPECT_EQ(alive, 1);
  reload(time);
  EXPECT_EQ(alive, 0);
}

TEST_F(GenerationTest, EverythingThatIsWrongIsToldAtOnce) {
  std::string text(kOneRoute);
  text += "[handler.a]\ntype = \"shared_object\"\npath = \"/none/a.so\"\n";
  text += "[handler.b]\ntype = \"shared_object\"\npath = \"/none/b.so\"\n";
  text += "[lua]\nroutes = \"bad.lua\"\n";
  text +=
      "[[route]]\npath = \"/a\"\ntarget = \"handler.a\"\n[[route]]\npath = \"/b\"\ntarget = \"handler.b\"\n";
  folder.write("bad.lua", "return {");
  std::string said = errors(text);
  EXPECT_THAT(said, HasSubstr("handler.a"));
  EXPECT_THAT(said, HasSubstr("handler.b"));
  EXPECT_THAT(said, HasSubstr("bad.lua:1"));
}

TEST_F(GenerationTest, TheScriptsOwnTestsRunWhenAsked) {
  std::string text = std::string(kOneRoute) + "[lua]\nroutes = \"r.lua\"\n";
  folder.write("r.lua", R"(
local M = {}
function M.route(req) return nil end
M.tests = { { name = "goes native", request = { path = "/" }, expect = { side = "native" } } }
return M
)");
  EXPECT_THAT(errors(text), IsEmpty());
  EXPECT_THAT(errors(text, {.strict = true, .run_tests = true}), HasSubstr("goes native"));
}

TEST_F(GenerationTest, ExplainsARollout) {
  auto built = build(kRollout);
  admin::ExplainRequest request;
  request.path = "/r?x=1";
  request.host = "a.example";
  request.headers = {{"Cookie", "uid=u1"}};
  auto explained = explain(*built.generation, request, random);
  ASSERT_TRUE(explained.ok()) << explained.error().message;
  EXPECT_EQ(explained->rule, "a.example /r");
  EXPECT_EQ(explained->target, "rollout.r");
  EXPECT_EQ(explained->rollout, "r");
  EXPECT_EQ(explained->side, shm::Side::native);
  EXPECT_EQ(explained->reason, shm::Reason::cookie);
  EXPECT_EQ(explained->key_source, "cookie:uid");
  EXPECT_EQ(explained->key, "u1");
  EXPECT_EQ(explained->percent, 10000u);
  EXPECT_EQ(explained->destination, "handler.h");
  EXPECT_EQ(explained->status, 0);
  EXPECT_THAT(explained->where, HasSubstr("banyan.toml:"));
}

TEST_F(GenerationTest, ExplainsAnswersWithoutATarget) {
  auto built = build(kRollout);
  admin::ExplainRequest request;
  request.path = "/old";
  auto redirect = explain(*built.generation, request, random);
  ASSERT_TRUE(redirect.ok());
  EXPECT_EQ(redirect->target, "redirect");
  EXPECT_EQ(redirect->status, 301);
  request.path = "/nowhere";
  auto nothing = explain(*built.generation, request, random);
  ASSERT_TRUE(nothing.ok());
  EXPECT_EQ(nothing->route, "");
  EXPECT_EQ(nothing->status, 404);
}

TEST_F(GenerationTest, ExplainNamesTheServer) {
  std::string text(kRollout);
  text += "[[route]]\npath = \"/u\"\ntarget = \"upstream.node\"\n";
  auto built = build(text);
  admin::ExplainRequest request;
  request.path = "/u";
  auto explained = explain(*built.generation, request, random);
  ASSERT_TRUE(explained.ok());
  EXPECT_EQ(explained->destination, "upstream.node");
  EXPECT_EQ(explained->server, "127.0.0.1:1");
}

TEST_F(GenerationTest, ExplainRefusesWhatIsNoRequest) {
  auto built = build(kRollout);
  auto refused = [&](admin::ExplainRequest request) {
    auto explained = explain(*built.generation, request, random);
    return !explained.ok() && explained.error().status == 400;
  };
  EXPECT_TRUE(refused({.path = "/ HTTP/1.1\r\nX: y"}));
  EXPECT_TRUE(refused({.path = "no slash"}));
  EXPECT_TRUE(refused({.method = "G E T"}));
  EXPECT_TRUE(refused({.client_ip = "nobody"}));
  EXPECT_TRUE(refused({.headers = {{"A", "b\nc"}}}));
  EXPECT_TRUE(refused({.headers = {{"X", std::string(100'000, 'x')}}}));
}

}  // namespace
}  // namespace banyan::process
