#include "admin/api.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "admin/pages.h"
#include "shm/counters.h"
#include "shm/servers.h"
#include "unit/admin/fake_backend.h"

namespace banyan::admin {
namespace {

using nlohmann::json;
using testing::AdminHouse;
using testing::FakeCall;
using testing::FakeRequest;

class ApiTest : public ::testing::Test {
 protected:
  // What comes back, status and body.
  std::unique_ptr<FakeCall> ask(FakeRequest request) { return ask(local_, std::move(request)); }
  std::unique_ptr<FakeCall> ask(ApiHandler& door, FakeRequest request) {
    auto call = std::make_unique<FakeCall>(house_.loop, std::move(request));
    call->open(door);
    EXPECT_TRUE(call->run());
    return call;
  }
  json get(std::string path, std::string query = {}) {
    auto call = ask({.method = "GET", .path = path, .query = std::move(query)});
    EXPECT_EQ(call->status(), 200) << path << call->body();
    return json::parse(call->body(), nullptr, false);
  }
  std::unique_ptr<FakeCall> post(std::string path, std::string body = {}) {
    return ask({.method = "POST", .path = std::move(path), .body = std::move(body)});
  }
  static std::string detail(const FakeCall& call) {
    EXPECT_EQ(call.field("Content-Type"), "application/problem+json");
    const json problem = json::parse(call.body(), nullptr, false);
    EXPECT_EQ(problem.value("status", 0), call.status());
    return problem.value("detail", "");
  }

  AdminHouse house_;
  ApiHandler local_{*house_.api, "the unix socket", {}};
};

TEST_F(ApiTest, EveryVerbHasItsPage) {
  size_t found = 0;
  for (const Page& page : pages()) {
    constexpr std::string_view kPrefix = "/rollouts/NAME/";
    if (!page.path.starts_with(kPrefix)) continue;
    ++found;
    EXPECT_NE(control::find_verb(page.path.substr(kPrefix.size())), nullptr) << page.path;
  }
  EXPECT_EQ(found, control::verb_rows().size());
}

TEST_F(ApiTest, EveryPageOfTheTableAnswers) {
  const json index = get("/");
  EXPECT_EQ(index["pages"].size(), pages().size());
  house_.backend.standing_.unconfirmed = Standing::Unconfirmed{};
  for (const Page& page : pages()) {
    std::string path(page.path);
    for (const auto& [name, value] :
         {std::pair<std::string, std::string>{"/rollouts/NAME", "/rollouts/content"},
          {"/upstreams/NAME", "/upstreams/node"},
          {"/handlers/NAME", "/handlers/content"},
          {"ADDRESS", "127.0.0.1:3000"},
          {"NUMBER", "17"}}) {
      if (const size_t at = path.find(name); at != path.npos) path.replace(at, name.size(), value);
    }
    FakeCall call(house_.loop, {.method = std::string(page.method),
                                .path = path,
                                .query = path == "/explain" ? "url=/x" : "",
                                .body = path.ends_with("/set") ? "{\"percent\": 1}" : ""});
    call.open(local_);
    testing::run_until(house_.loop, [&] { return call.done() || house_.backend.asked_ > 0; });
    if (house_.backend.asked_ > 0) house_.api->on_outcome(std::exchange(house_.backend.asked_, 0), true, {});
    ASSERT_TRUE(call.run());
    // The rollout of the house has no schedule.
    const bool refused = path.ends_with("/step") || path.ends_with("/pause") || path.ends_with("/resume");
    EXPECT_EQ(call.status(), refused ? 409 : 200) << page.method << " " << path << call.body();
  }
}

TEST_F(ApiTest, UnknownPagesAndWrongMethodsAreProblems) {
  EXPECT_EQ(ask({.path = "/nothing"})->status(), 404);
  EXPECT_EQ(ask({.path = "/rollouts/content/set/more"})->status(), 404);
  EXPECT_EQ(detail(*ask({.path = "/rollouts/none"})), "there is no rollout none");
  auto wrong = post("/status");
  EXPECT_EQ(wrong->status(), 405);
  EXPECT_EQ(wrong->field("Allow"), "GET, HEAD");
  auto read = ask({.path = "/rollouts/content/set"});
  EXPECT_EQ(read->status(), 405);
  EXPECT_EQ(read->field("Allow"), "POST");
  EXPECT_EQ(ask({.method = "OPTIONS", .path = "/reload"})->status(), 405);
  EXPECT_EQ(ask({.path = "/rollouts/%zz"})->status(), 400);
  EXPECT_EQ(ask({.path = "/journal", .query = "limit=%2"})->status(), 400);
  EXPECT_EQ(ask({.path = "/journal", .query = "limit=ten"})->status(), 400);
}

TEST_F(ApiTest, HeadIsGetWithoutBody) {
  auto call = ask({.method = "HEAD", .path = "/status"});
  EXPECT_EQ(call->status(), 200);
  EXPECT_EQ(call->body(), "");
  EXPECT_GT(call->length().size, 0u);
}

TEST_F(ApiTest, NothingIsCachedOrOpenToOtherOrigins) {
  auto call = ask({.path = "/status", .fields = {{"Origin", "https://evil.example"}}});
  EXPECT_EQ(call->field("Cache-Control"), "no-store");
  EXPECT_EQ(call->field("Access-Control-Allow-Origin"), "");
}

TEST_F(ApiTest, TcpNeedsTheToken) {
  ApiHandler door(*house_.api, "TCP", "open-sesame");
  for (const char* given : {"", "Bearer", "Bearer ", "Bearer open-sesam", "Bearer open-sesame2",
                            "Bearer open-sesamE", "Basic open-sesame", "open-sesame"}) {
    auto call = ask(door, {.path = "/healthz", .fields = {{"Authorization", given}}});
    EXPECT_EQ(call->status(), 401) << given;
    EXPECT_EQ(call->field("WWW-Authenticate"), "Bearer realm=\"banyan\"");
    EXPECT_EQ(call->body().find("sesame"), std::string::npos);
  }
  EXPECT_EQ(ask(door, {.path = "/status"})->status(), 401);
  EXPECT_EQ(ask(door, {.path = "/status", .fields = {{"Authorization", "bearer open-sesame"}}})->status(),
            200);
  auto order = ask(door, {.method = "POST", .path = "/rollouts/content/abort"});
  EXPECT_EQ(order->status(), 401);
  EXPECT_EQ(house_.book->find("content")->percent, 1000u);
}

TEST_F(ApiTest, AnEmptyTokenFitsNobody) {
  ApiHandler door(*house_.api, "TCP", "");
  for (const char* given : {"", "Bearer", "Bearer ", "Bearer x"}) {
    EXPECT_EQ(ask(door, {.path = "/status", .fields = {{"Authorization", given}}})->status(), 401) << given;
  }
}

TEST_F(ApiTest, OrdersChangeTheRollout) {
  auto call = post("/rollouts/content/set", R"({"percent": 37.25, "why": "looks good", "who": "anna"})");
  EXPECT_EQ(call->status(), 200) << call->body();
  EXPECT_EQ(json::parse(call->body())["percent"], 37.25);
  json shown = get("/rollouts/content");
  EXPECT_EQ(shown["percent"], 37.25);
  EXPECT_EQ(shown["file_percent"], 10);
  EXPECT_EQ(shown["state"], "set");
  EXPECT_EQ(shown["who"], "anna over the unix socket");
  EXPECT_EQ(post("/rollouts/content/promote")->status(), 200);
  EXPECT_EQ(get("/rollouts/content")["percent"], 100);
  EXPECT_EQ(post("/rollouts/content/abort", "{}")->status(), 200);
  EXPECT_EQ(get("/rollouts")["rollouts"][0]["percent"], 0);
  EXPECT_EQ(post("/rollouts/content/reset")->status(), 200);
  EXPECT_EQ(get("/rollouts/content")["percent"], 10);
  EXPECT_FALSE(get("/rollouts/content")["live"]);

  const json journal = get("/journal")["entries"];
  ASSERT_EQ(journal.size(), 4u);
  EXPECT_EQ(journal[0]["verb"], "reset");
  EXPECT_EQ(journal[3]["new"], 37.25);
  EXPECT_EQ(journal[3]["why"], "looks good");
  EXPECT_EQ(journal[1]["who"], "the unix socket");
  EXPECT_EQ(get("/journal", "limit=1")["entries"].size(), 1u);
  EXPECT_EQ(get("/journal", "rollout=other")["entries"].size(), 0u);
}

TEST_F(ApiTest, ASchedulesStateIsShownAndOrdered) {
  config::Rollout rollout = house_.backend.config_.rollouts[0];
  rollout.steps = {{1000, std::chrono::hours(24)}, {5000, std::chrono::hours(24), true}, {10000}};
  rollout.gate.emplace();
  house_.book->adopt({rollout});
  json shown = get("/rollouts/content");
  EXPECT_EQ(shown["schedule"]["steps"], 3);
  EXPECT_EQ(shown["schedule"]["waits_for"], "start");
  EXPECT_EQ(post("/rollouts/content/step", R"({"why": "go"})")->status(), 200);
  shown = get("/rollouts/content");
  EXPECT_EQ(shown["state"], "holding");
  EXPECT_EQ(shown["percent"], 10);
  EXPECT_EQ(shown["schedule"]["taken"], 1);
  EXPECT_EQ(shown["schedule"]["next_percent"], 50);
  EXPECT_EQ(shown["schedule"]["waits_for"], "hold");
  EXPECT_TRUE(shown["schedule"].contains("next_at"));
  EXPECT_EQ(post("/rollouts/content/pause")->status(), 200);
  auto again = post("/rollouts/content/pause");
  EXPECT_EQ(again->status(), 409);
  EXPECT_EQ(detail(*again), "it is paused already");
  EXPECT_EQ(post("/rollouts/content/resume")->status(), 200);

  rollout.freeze = {config::Freeze{}};
  house_.book->adopt({rollout});
  EXPECT_EQ(post("/rollouts/content/step")->status(), 409);
  EXPECT_EQ(post("/rollouts/content/promote", R"({"force": 1})")->status(), 422);
  EXPECT_EQ(post("/rollouts/content/abort", R"({"force": true})")->status(), 422) << "it never needs that";
  EXPECT_EQ(post("/rollouts/content/step", R"({"force": true})")->status(), 200);
  EXPECT_EQ(get("/rollouts/content")["percent"], 50);
  const json entry = get("/journal", "limit=1")["entries"][0];
  EXPECT_EQ(entry["verb"], "step");
  EXPECT_EQ(entry["old_state"], "holding");
  EXPECT_EQ(entry["new_state"], "holding");

  rollout::Judgement judgement;
  judgement.verdict = rollout::Verdict::fail;
  judgement.reason = "native fails more";
  judgement.native.requests = 512;
  house_.book->note("content", judgement);
  const json gate = get("/rollouts/content")["gate"];
  EXPECT_EQ(gate["verdict"], "fail");
  EXPECT_EQ(gate["why"], "native fails more");
  EXPECT_EQ(get("/rollouts/content")["window"]["native"]["requests"], 512);
  EXPECT_EQ(post("/rollouts/content/abort")->status(), 200);
  EXPECT_TRUE(get("/rollouts/content")["gate"]["verdict"].is_null());
}

TEST_F(ApiTest, BadOrdersChangeNothing) {
  const std::pair<const char*, int> bodies[] = {
      {"", 422},
      {"{}", 422},
      {R"({"percent": 100.01})", 422},
      {R"({"percent": -1})", 422},
      {R"({"percent": 1.234})", 422},
      {R"({"percent": 1e400})", 400},
      {R"({"percent": "10"})", 422},
      {R"({"percent": null})", 422},
      {R"({"percent": 10, "why": 7})", 422},
      {R"({"percent": 10, "wy": "typo"})", 422},
      {R"({"percent": 10, "why": "a\nb"})", 422},
      {R"({"percent": 10)", 400},
      {"percent=10", 400},
      {"[10]", 400},
      {"{\"percent\": 10, \"why\": \"\xff\"}", 400},
  };
  for (const auto& [body, status] : bodies) {
    auto call = post("/rollouts/content/set", body);
    EXPECT_EQ(call->status(), status) << body;
    EXPECT_NE(detail(*call), "") << body;
  }
  EXPECT_EQ(post("/rollouts/none/abort")->status(), 404);
  EXPECT_EQ(get("/journal")["entries"].size(), 0u);
  EXPECT_EQ(get("/rollouts/content")["percent"], 10);
}

TEST_F(ApiTest, HostileBodiesAreBounded) {
  std::string deep;
  for (int i = 0; i < 10'000; ++i) deep += "{\"a\":[";
  auto call = post("/rollouts/content/set", deep);
  EXPECT_EQ(call->status(), 400);
  deep = std::string(20, '[') + std::string(20, ']');
  call = post("/rollouts/content/set", "{\"percent\": 10, \"x\": " + deep + "}");
  EXPECT_EQ(call->status(), 400);
  EXPECT_NE(detail(*call).find("nested"), std::string::npos);
  call = post("/rollouts/content/set", std::string(Api::kLargestBody + 1, ' '));
  EXPECT_EQ(call->status(), 413);
  // One that never ends is refused as soon as it is too long.
  FakeCall endless(house_.loop, {.method = "POST", .path = "/rollouts/content/set", .body = std::nullopt});
  endless.open(local_);
  endless.send(std::string(Api::kLargestBody + 1, ' '));
  ASSERT_TRUE(endless.run());
  EXPECT_EQ(endless.status(), 413);
}

TEST_F(ApiTest, ABrokenBodyIsNoOrder) {
  FakeCall call(house_.loop, {.method = "POST", .path = "/rollouts/content/abort", .body = std::nullopt});
  call.open(local_);
  call.break_request(client_error(400, "gone"));
  ASSERT_TRUE(call.run());
  EXPECT_EQ(call.status(), 400);
  EXPECT_EQ(house_.book->find("content")->percent, 1000u);
}

TEST_F(ApiTest, ReloadWaitsForTheOutcome) {
  FakeCall applied(house_.loop, {.method = "POST", .path = "/reload"});
  FakeCall refused(house_.loop, {.method = "POST", .path = "/reload"});
  FakeCall gone(house_.loop, {.method = "POST", .path = "/reload"});
  for (FakeCall* call : {&applied, &refused, &gone}) call->open(local_);
  ASSERT_TRUE(testing::run_until(house_.loop, [&] { return house_.backend.asked_ == 3; }));
  EXPECT_FALSE(applied.done());
  gone.hang_up();
  house_.api->on_outcome(3, true, {});
  house_.api->on_outcome(2, false, {"banyan.toml:7:23: must be 0 to 100", "and more"});
  house_.api->on_outcome(1, true, {"a certificate ends soon"});
  house_.api->on_outcome(99, true, {});
  ASSERT_TRUE(applied.run());
  ASSERT_TRUE(refused.run());
  EXPECT_EQ(applied.status(), 200);
  EXPECT_EQ(json::parse(applied.body())["warnings"][0], "a certificate ends soon");
  EXPECT_EQ(refused.status(), 422);
  EXPECT_EQ(json::parse(refused.body())["reasons"][1], "and more");
}

TEST_F(ApiTest, AReloadSaysWhoWhyAndWhetherItIsToBeConfirmed) {
  const auto ask_for = [this](std::string path, std::string body) {
    FakeCall call(house_.loop, {.method = "POST", .path = std::move(path), .body = std::move(body)});
    call.open(local_);
    const uint64_t before = house_.backend.asked_;
    EXPECT_TRUE(testing::run_until(house_.loop, [&] { return house_.backend.asked_ > before; }));
  };
  ask_for("/reload", R"({"who": "anna", "why": "a try", "confirm": "5m"})");
  EXPECT_EQ(house_.backend.asked_for_, "reload");
  EXPECT_EQ(house_.backend.order_.who, "anna over the unix socket");
  EXPECT_EQ(house_.backend.order_.why, "a try");
  EXPECT_EQ(house_.backend.order_.confirm_within, std::chrono::minutes(5));
  ask_for("/reload", "");
  EXPECT_EQ(house_.backend.order_.who, "the unix socket");
  EXPECT_EQ(house_.backend.order_.confirm_within.count(), 0);
  ask_for("/history/17/rollback", "{}");
  EXPECT_EQ(house_.backend.asked_for_, "rollback");
  EXPECT_EQ(house_.backend.order_.number, 17u);
}

TEST_F(ApiTest, AnOrderToTheMasterThatMakesNoSenseIsRefused) {
  const std::pair<std::string, std::string> bodies[] = {
      {R"({"confirm": "soon"})", "\"confirm\": "},
      {R"({"confirm": "999ms"})", "must be 1s to 24h"},
      {R"({"confirm": "25h"})", "must be 1s to 24h"},
      {R"({"confirm": 5})", "\"confirm\" must be a text"},
      {R"({"why": ")" + std::string(401, 'x') + R"("})", "more than 400 bytes"},
      {R"({"force": true})", "unknown key \"force\""},
  };
  for (const auto& [body, message] : bodies) {
    auto call = post("/reload", body);
    EXPECT_EQ(call->status(), 422) << body;
    EXPECT_NE(detail(*call).find(message), std::string::npos) << body << call->body();
  }
  EXPECT_EQ(post("/confirm")->status(), 409);
  for (const char* number : {"0", "x", "-1", "1x", "99999999999"}) {
    EXPECT_EQ(post("/history/" + std::string(number) + "/rollback")->status(), 404) << number;
    EXPECT_EQ(ask({.path = "/history/" + std::string(number)})->status(), 404) << number;
  }
  EXPECT_EQ(house_.backend.asked_, 0u);
}

TEST_F(ApiTest, TheHistoryComesAsTheMasterTellsIt) {
  FakeCall all(house_.loop, {.path = "/history"});
  FakeCall one(house_.loop, {.path = "/history/3"});
  for (FakeCall* call : {&all, &one}) call->open(local_);
  ASSERT_TRUE(testing::run_until(house_.loop, [&] { return house_.backend.asked_ == 2; }));
  EXPECT_EQ(house_.backend.order_.number, 3u);
  house_.api->on_outcome(1, true, {R"({"number": 3})", R"({"number": 2})", "… and more"});
  house_.api->on_outcome(2, true, {"workers = 1\n"});
  ASSERT_TRUE(all.run());
  ASSERT_TRUE(one.run());
  EXPECT_EQ(json::parse(all.body())["entries"], json::parse(R"([{"number": 3}, {"number": 2}])"));
  EXPECT_EQ(json::parse(one.body())["toml"], "workers = 1\n");
}

TEST_F(ApiTest, StatusTellsWhatIsOpenAboutTheConfiguration) {
  EXPECT_FALSE(get("/status").contains("unconfirmed"));
  house_.backend.standing_.unconfirmed = {
      .number = 7, .fallback = 6, .until = house_.loop.now() + std::chrono::minutes(5), .who = "anna"};
  house_.backend.standing_.rolled_back = {.to = 5, .who = "otto", .when = house_.loop.wall()};
  const json status = get("/status");
  EXPECT_EQ(status["unconfirmed"]["fallback"], 6);
  EXPECT_GT(status["unconfirmed"]["seconds_left"], 290);
  EXPECT_EQ(status["rolled_back"]["to"], 5);
  EXPECT_EQ(status["rolled_back"]["who"], "otto");
}

TEST_F(ApiTest, ReadinessIsAStatus) {
  EXPECT_EQ(ask({.path = "/readyz"})->status(), 200);
  house_.backend.ready_ = false;
  EXPECT_EQ(ask({.path = "/readyz"})->status(), 503);
  EXPECT_EQ(ask({.path = "/healthz"})->status(), 200);
}

TEST_F(ApiTest, StatusTellsWhatRuns) {
  house_.backend.last_reload_ = ReloadResult{false, house_.loop.wall(), {"no"}};
  shm::Counters counters(house_.segment, shm::worker_slot(0));
  counters.counter(shm::Metric::http_requests, house_.route_number, shm::Side::native, 2, 200).add(5);
  counters.counter(shm::Metric::decisions, house_.route_number, shm::Side::native, shm::Reason::hash).add(3);
  counters.counter(shm::Metric::decisions, house_.route_number, shm::Side::native, shm::Reason::cookie)
      .add(2);
  counters.counter(shm::Metric::decisions, house_.route_number, shm::Side::legacy, shm::Reason::hash).add(1);
  const json status = get("/status");
  EXPECT_EQ(status["version"], "1.2.3");
  EXPECT_EQ(status["generation"], 7);
  EXPECT_EQ(status["requests"], 5);
  ASSERT_EQ(status["processes"].size(), 1u);
  EXPECT_EQ(status["processes"][0]["name"], "worker/0");
  EXPECT_EQ(status["processes"][0]["pid"], 4711);
  EXPECT_EQ(status["last_reload"]["applied"], false);
  const json rollout = get("/rollouts/content");
  EXPECT_EQ(rollout["decisions"]["native"], 5);
  EXPECT_EQ(rollout["decisions"]["legacy"], 1);
}

TEST_F(ApiTest, TheConfigurationIsShownWithoutSecrets) {
  const json config = get("/config");
  EXPECT_NE(config["toml"].get<std::string>().find("[rollout.content]"), std::string::npos) << config;
  EXPECT_EQ(config.dump().find("a secret"), std::string::npos);
  auto toml = ask({.path = "/config", .query = "format=toml"});
  EXPECT_EQ(toml->field("Content-Type"), "application/toml");
  EXPECT_EQ(toml->body(), config["toml"].get<std::string>());
}

TEST_F(ApiTest, ServersAreTakenOutAndBack) {
  const std::string path = "/upstreams/node/servers/127.0.0.1:3000";
  EXPECT_EQ(get("/upstreams")["upstreams"][0]["servers"][0]["order"], "up");
  EXPECT_EQ(post(path + "/drain")->status(), 200);
  EXPECT_EQ(shm::server_order(house_.segment, house_.server_number), shm::ServerOrder::drain);
  EXPECT_EQ(get("/upstreams")["upstreams"][0]["servers"][0]["order"], "drain");
  EXPECT_EQ(post("/upstreams/node/servers/127.0.0.1%3A3000/down")->status(), 200);
  EXPECT_EQ(shm::server_order(house_.segment, house_.server_number), shm::ServerOrder::down);
  EXPECT_EQ(post(path + "/up")->status(), 200);
  EXPECT_EQ(shm::server_order(house_.segment, house_.server_number), shm::ServerOrder::up);
  EXPECT_EQ(post("/upstreams/other/servers/127.0.0.1:3000/up")->status(), 404);
  EXPECT_EQ(post("/upstreams/node/servers/127.0.0.1:3001/up")->status(), 404);
}

TEST_F(ApiTest, HandlersForgetByOrder) {
  const auto order = [&](const std::string& body) { return post("/handlers/content/purge", body)->status(); };
  EXPECT_EQ(order(""), 200);
  EXPECT_EQ(house_.backend.purged_->what, handler::Purge::What::all);
  EXPECT_EQ(order("{\"key\": \"a/b\", \"why\": \"wrong price\"}"), 200);
  EXPECT_EQ(house_.backend.purged_->what, handler::Purge::What::key);
  EXPECT_EQ(house_.backend.purged_->text, "a/b");
  EXPECT_EQ(order("{\"prefix\": \"a/\"}"), 200);
  EXPECT_EQ(house_.backend.purged_->what, handler::Purge::What::prefix);
  house_.backend.purged_.reset();
  for (const char* wrong :
       {"{\"key\": 1}", "{\"key\": \"\"}", "{\"key\": \"a\", \"prefix\": \"a\"}", "{\"kay\": \"a\"}"}) {
    EXPECT_EQ(order(wrong), 422) << wrong;
  }
  EXPECT_EQ(order("x"), 400);
  EXPECT_EQ(post("/handlers/other/purge")->status(), 404);
  EXPECT_FALSE(house_.backend.purged_);
}

TEST_F(ApiTest, ExplainTakesARequestApart) {
  Explanation& said = house_.backend.explanation_;
  said.route = "batch";
  said.rollout = "content";
  said.side = shm::Side::native;
  said.reason = shm::Reason::cookie;
  said.bucket = 4711;
  said.percent = 5000;
  said.destination = "handler.fast";
  said.lua = {{"side", "native"}};
  const json shown =
      get("/explain",
          "method=POST&url=https%3A%2F%2Fapi.example.org%3A8443%2Fbatch%3Fa%3D1%23x&header=Cookie:+uid%3D7"
          "&header=X-A:b&client_ip=10.1.2.3");
  const ExplainRequest& asked = house_.backend.explained_;
  EXPECT_EQ(asked.method, "POST");
  EXPECT_EQ(asked.host, "api.example.org:8443");
  EXPECT_EQ(asked.path, "/batch?a=1");
  EXPECT_TRUE(asked.tls);
  EXPECT_EQ(asked.client_ip, "10.1.2.3");
  ASSERT_EQ(asked.headers.size(), 2u);
  EXPECT_EQ(asked.headers[0].second, "uid=7");
  EXPECT_EQ(shown["side"], "native");
  EXPECT_EQ(shown["reason"], "cookie");
  EXPECT_EQ(shown["bucket"], 4711);
  EXPECT_EQ(shown["percent"], 50);
  EXPECT_EQ(shown["lua"]["side"], "native");
  EXPECT_FALSE(shown.contains("server"));

  get("/explain", "url=/x");
  EXPECT_EQ(house_.backend.explained_.path, "/x");
  get("/explain", "url=http://h?q");
  EXPECT_EQ(house_.backend.explained_.path, "/?q");
  for (const char* wrong : {"", "method=GET", "url=x", "url=http://", "url=/x&header=nocolon",
                            "url=/x&header=:b", "url=/x&other=1"}) {
    EXPECT_EQ(ask({.path = "/explain", .query = wrong})->status(), 400) << wrong;
  }
}

}  // namespace
}  // namespace banyan::admin
