// batch_fetch: what is kept, shared and asked for again.
#include "unit/handlers/batch_fetch_fixture.h"

namespace banyan::handlers {
namespace {

// A store whose objects change with each request for them: "KEY #1", "KEY #2" …; what stands before the first
// '-' are the answer's Cache-Control or a special behaviour.
struct CacheTest : BatchFetchTest {
  std::map<std::string, int> versions;
  TestStore changing{[this](const StoreRequest& request) {
    const std::string key = request.path.substr(request.path.rfind('/') + 1);
    const std::string kind = key.substr(0, key.find('-'));
    if (kind == "none") return StoreReply::status(404);
    if (kind == "denied") return StoreReply::status(403);
    if (kind == "tagged" && request.fields.contains("if-none-match")) {
      return StoreReply{"HTTP/1.1 304 Not Modified\r\nETag: \"t\"\r\nCache-Control: max-age=0\r\n\r\n"};
    }
    const std::string body = fmt::format("{} #{}", key, ++versions[key]);
    const std::string rules = kind == "nostore"  ? "no-store"
                              : kind == "short"  ? "max-age=0, stale-while-revalidate=60"
                              : kind == "long"   ? "max-age=60"
                              : kind == "tagged" ? "max-age=0"
                                                 : "";
    StoreReply reply{
        fmt::format("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nETag: \"t\"\r\n{}Content-Length: "
                    "{}\r\n\r\n{}",
                    rules.empty() ? "" : fmt::format("Cache-Control: {}\r\n", rules), body.size(), body)};
    reply.held = kind == "held";
    return reply;
  }};

  MadeHandler make_cached(std::string_view cache = "size = \"4m\"", std::string_view more = "") {
    MadeHandler made = worker.make(
        all_handlers(), fmt::format("type = \"batch_fetch\"\norigin = \"{}\"\ncache = {{ {} }}\n{}",
                                    changing.origin(), cache, more));
    EXPECT_TRUE(made.handler) << made.problem;
    return made;
  }
  std::string body(handler::Handler& handler, const std::string& key) {
    return fetch(handler, {key})["results"][key].value("body", "");
  }
};

TEST_F(CacheTest, ObjectsAreKeptAndGivenOutUnchanged) {
  MadeHandler made = make_cached();
  const auto first = fetch(*made.handler, {"a-1", "long-1"});
  const auto second = fetch(*made.handler, {"a-1", "long-1"});
  EXPECT_EQ(first, second);
  EXPECT_EQ(changing.requests().size(), 2u);
}

TEST_F(CacheTest, AllWorkersShareIt) {
  MadeHandler made = make_cached();
  body(*made.handler, "a-1");
  handler::Services other = worker.services;
  other.slot = shm::worker_slot(1);
  auto second = all_handlers()[0].make(made.config->handlers.front(), other);
  ASSERT_TRUE(second.ok());
  EXPECT_EQ(body(**second, "a-1"), "a-1 #1");
}

TEST_F(CacheTest, NoStoreIsNotKept) {
  MadeHandler made = make_cached();
  EXPECT_EQ(body(*made.handler, "nostore-1"), "nostore-1 #1");
  EXPECT_EQ(body(*made.handler, "nostore-1"), "nostore-1 #2");
}

TEST_F(CacheTest, ATtlOfZeroKeepsOnlyWhatTheStoreAllows) {
  MadeHandler made = make_cached("size = \"4m\", ttl = \"0s\", negative_ttl = \"0s\"");
  for (int i = 0; i < 2; ++i) fetch(*made.handler, {"long-1", "none-1"});
  EXPECT_EQ(versions["long-1"], 1);
  EXPECT_EQ(changing.requests().size(), 3u);
}

TEST_F(CacheTest, MissingObjectsAreRememberedDeniedOnesAreNot) {
  MadeHandler made = make_cached();
  for (int i = 0; i < 3; ++i) {
    const auto answer = fetch(*made.handler, {"none-1", "denied-1"});
    EXPECT_EQ(answer["results"]["none-1"], json({{"status", 404}}));
    EXPECT_EQ(answer["results"]["denied-1"], json({{"status", 403}}));
  }
  EXPECT_EQ(changing.requests().size(), 4u);
}

TEST_F(CacheTest, StaleObjectsAreGivenOutAndAskedForAnew) {
  MadeHandler made = make_cached();
  EXPECT_EQ(body(*made.handler, "short-1"), "short-1 #1");
  EXPECT_EQ(body(*made.handler, "short-1"), "short-1 #1");
  ASSERT_TRUE(
      run_until(worker.loop, [&] { return changing.requests().size() == 2 && changing.open() == 0; }));
  ASSERT_TRUE(run_until(worker.loop, [&] { return body(*made.handler, "short-1") != "short-1 #1"; }));
}

TEST_F(CacheTest, OutdatedObjectsAreAskedForWithTheirTag) {
  MadeHandler made = make_cached();
  const auto first = fetch(*made.handler, {"tagged-1"});
  const auto second = fetch(*made.handler, {"tagged-1"});
  EXPECT_EQ(first, second);
  ASSERT_EQ(changing.requests().size(), 2u);
  EXPECT_EQ(changing.requests()[1].fields.at("if-none-match"), "\"t\"");
  EXPECT_EQ(versions["tagged-1"], 1);
}

TEST_F(CacheTest, LateAnswersFillIt) {
  MadeHandler made = make_cached();
  EXPECT_EQ(fetch(*made.handler, {"held-1"}, 100)["errors"]["held-1"], "timeout");
  changing.release();
  ASSERT_TRUE(run_until(worker.loop, [&] { return changing.open() == 0; }));
  EXPECT_EQ(body(*made.handler, "held-1"), "held-1 #1");
}

TEST_F(CacheTest, EqualKeysUnderWayShareOneFetch) {
  MadeHandler made = make();
  FakeCall first(worker.loop, ask({"held-1", "held-2"})), second(worker.loop, ask({"held-2", "held-3"}));
  first.open(*made.handler);
  second.open(*made.handler);
  ASSERT_TRUE(run_until(worker.loop, [&] { return store.open() == 3; }));
  store.release();
  ASSERT_TRUE(first.run() && second.run());
  EXPECT_EQ(read(first)["results"]["held-2"], read(second)["results"]["held-2"]);
  EXPECT_EQ(store.requests().size(), 3u);
}

TEST_F(CacheTest, AFetchGoesOnForThoseWhoStillWait) {
  MadeHandler made = make();
  FakeCall first(worker.loop, ask({"held-1"}, 200)), second(worker.loop, ask({"held-1"}, 10'000));
  first.open(*made.handler);
  second.open(*made.handler);
  ASSERT_TRUE(first.run());
  EXPECT_EQ(read(first)["errors"]["held-1"], "timeout");
  store.release();
  ASSERT_TRUE(second.run());
  EXPECT_EQ(read(second)["results"]["held-1"]["body"], "held-1");
  EXPECT_EQ(store.requests().size(), 1u);
}

TEST_F(CacheTest, WithoutCoalescingEachRequestAsks) {
  MadeHandler made = make("coalesce = false");
  FakeCall first(worker.loop, ask({"held-1"})), second(worker.loop, ask({"held-1"}));
  first.open(*made.handler);
  second.open(*made.handler);
  ASSERT_TRUE(run_until(worker.loop, [&] { return store.open() == 2; }));
  store.release();
  EXPECT_TRUE(first.run() && second.run());
}

TEST_F(CacheTest, PurgesForgetWhatIsThereAndWhatIsUnderWay) {
  MadeHandler made = make_cached();
  using What = handler::Purge::What;
  fetch(*made.handler, {"a-1", "a-2", "b-1"});
  ASSERT_TRUE(made.handler->purge({What::key, "a-1"}).ok());
  EXPECT_EQ(body(*made.handler, "a-1"), "a-1 #2");
  EXPECT_EQ(body(*made.handler, "a-2"), "a-2 #1");
  ASSERT_TRUE(made.handler->purge({What::prefix, "a-"}).ok());
  EXPECT_EQ(body(*made.handler, "a-2"), "a-2 #2");
  EXPECT_EQ(body(*made.handler, "b-1"), "b-1 #1");

  FakeCall call(worker.loop, ask({"held-1"}));
  call.open(*made.handler);
  ASSERT_TRUE(run_until(worker.loop, [&] { return changing.requests().back().path.ends_with("/held-1"); }));
  ASSERT_TRUE(made.handler->purge({}).ok());
  FakeCall later(worker.loop, ask({"held-1"}));
  later.open(*made.handler);
  const size_t before = changing.requests().size();
  ASSERT_TRUE(run_until(worker.loop, [&] { return changing.requests().size() > before; }));
  changing.release();
  ASSERT_TRUE(call.run() && later.run());
  EXPECT_EQ(read(call)["results"]["held-1"]["body"], "held-1 #1");
  EXPECT_EQ(read(later)["results"]["held-1"]["body"], "held-1 #2");
  EXPECT_EQ(body(*made.handler, "held-1"), "held-1 #2");
  EXPECT_EQ(body(*made.handler, "b-1"), "b-1 #2");
  EXPECT_EQ(make().handler->purge({}).error().status, 409);
}

TEST_F(CacheTest, AThousandHitsAreOneAnswer) {
  MadeHandler made = make_cached();
  std::vector<std::string> keys;
  for (int i = 0; i < 1000; ++i) keys.push_back(fmt::format("a-{}", i));
  const auto first = fetch(*made.handler, keys);
  EXPECT_EQ(fetch(*made.handler, keys), first);
  EXPECT_EQ(changing.requests().size(), 1000u);
}

}  // namespace
}  // namespace banyan::handlers
