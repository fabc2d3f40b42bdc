// The source of an event_dispatch handler, with a real Redis of its own.
#include "handlers/event_dispatch/redis_source.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <hiredis/hiredis.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <optional>

#include "support/event_region.h"
#include "support/fake_call.h"
#include "support/fake_worker.h"
#include "support/forked.h"

namespace banyan::handlers {
namespace {

using testing::run_until;

// A server that listens on a unix socket in a folder of its own, and keeps what it has over a restart.
class RedisServer {
 public:
  RedisServer() {
    char folder[] = "/tmp/banyan-redis-XXXXXX";
    folder_ = mkdtemp(folder);
    start();
  }
  ~RedisServer() {
    stop();
    std::filesystem::remove_all(folder_);
  }
  RedisServer(const RedisServer&) = delete;

  // Debian's redis-server is a link to this program, in a package that starts no service.
  static bool installed() { return access(kProgram, X_OK) == 0; }
  std::string socket() const { return folder_ + "/socket"; }

  void start() {
    pid_ = testing::fork_to([this] {
      close(STDOUT_FILENO);
      execl(kProgram, "redis-server", "--port", "0", "--unixsocket", socket().c_str(), "--dir",
            folder_.c_str(), "--appendonly", "yes", "--appendfsync", "always", "--save", "", nullptr);
      _exit(1);
    });
    for (int i = 0; i < 2000 && !connect(); ++i) usleep(5000);
  }
  void stop() {
    client_.reset();
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    std::filesystem::remove(socket());
  }
  // The answer as text; a list's elements with spaces between.
  std::string say(const std::vector<std::string>& command) {
    std::vector<const char*> texts;
    std::vector<size_t> sizes;
    for (const std::string& text : command) texts.push_back(text.data()), sizes.push_back(text.size());
    auto* reply = static_cast<redisReply*>(
        redisCommandArgv(client_.get(), static_cast<int>(command.size()), texts.data(), sizes.data()));
    const std::string text = reply ? to_text(*reply) : "no answer";
    freeReplyObject(reply);
    return text;
  }

 private:
  static constexpr const char* kProgram = "/usr/bin/redis-check-rdb";
  struct Free {
    void operator()(redisContext* context) const { redisFree(context); }
  };

  bool connect() {
    client_.reset(redisConnectUnix(socket().c_str()));
    return client_ && !client_->err && say({"PING"}) == "PONG";
  }
  static std::string to_text(const redisReply& reply) {
    if (reply.type == REDIS_REPLY_INTEGER) return std::to_string(reply.integer);
    if (reply.type != REDIS_REPLY_ARRAY) return std::string(reply.str ? reply.str : "", reply.len);
    std::string text;
    for (size_t i = 0; i < reply.elements; ++i) text += (i ? " " : "") + to_text(*reply.element[i]);
    return text;
  }

  std::string folder_;
  pid_t pid_ = -1;
  std::unique_ptr<redisContext, Free> client_;
};

const char* name_problem(std::string_view name) { return name.empty() ? "the channel has no name" : nullptr; }

struct RedisSourceTest : ::testing::Test {
  static void SetUpTestSuite() {
    signal(SIGPIPE, SIG_IGN);  // as the processes of Banyan do
    if (RedisServer::installed()) server.emplace();
  }
  static void TearDownTestSuite() { server.reset(); }
  static std::optional<RedisServer> server;

  testing::FakeWorker worker;
  testing::EventRegion region{{.ring_bytes = 1 << 20, .max_channels = 16}};
  shm::EventLog log{region.bytes(), 0, 1};
  PublishLimits limits;
  Publisher publisher{worker.services, log, limits, 1};
  RedisSourceOptions options;
  std::unique_ptr<RedisSource> source;

  void SetUp() override {
    if (!server) GTEST_SKIP() << "there is no redis-check-rdb (Debian: redis-tools)";
    options.redis_stream = ::testing::UnitTest::GetInstance()->current_test_info()->name();
    options.address = {.kind = config::Address::Kind::unix_socket, .host = server->socket()};
    options.group = "group";
    options.from = RedisSourceOptions::From::first;
  }
  void begin() {
    source = std::make_unique<RedisSource>(worker.services, publisher, options, "events", 1, name_problem);
  }
  std::string add(std::vector<std::string> fields) {
    std::vector<std::string> command = {"XADD", options.redis_stream, "*"};
    command.insert(command.end(), fields.begin(), fields.end());
    return server->say(command);
  }
  std::string pending() { return server->say({"XPENDING", options.redis_stream, "group"}).substr(0, 1); }
  bool wait_for(const std::function<bool()>& done) { return run_until(worker.loop, done); }
  // The events of a channel: "kind:data kind:data".
  std::string events(std::string_view channel) {
    const auto joined = *log.join(channel);
    const auto replay = *log.replay(joined.channel, std::nullopt, {}, SIZE_MAX, worker.loop.fresh_now());
    log.leave(joined.channel);
    std::string text;
    for (const auto& event : replay.events)
      text += fmt::format("{}{}:{}", text.empty() ? "" : " ", static_cast<int>(event.kind), event.data);
    return text;
  }
};
std::optional<RedisServer> RedisSourceTest::server;

TEST_F(RedisSourceTest, PublishesWhatWasThereAndWhatComes) {
  add({"channel", "a", "data", "first"});
  add({"channel", "b", "data", "{\"x\":1}", "more", "left out"});
  begin();
  EXPECT_TRUE(wait_for([&] { return events("b") == "1:{\"x\":1}"; }));
  EXPECT_EQ(events("a"), "0:first");
  add({"channel", "a", "data", "\xff"});
  add({"channel", "a", "order_id", "7", "state", "done"});
  EXPECT_TRUE(wait_for([&] { return log.find("a")->value().last.offset == 3; }));
  EXPECT_EQ(events("a"), "0:first 2:\xff 1:{\"order_id\":\"7\",\"state\":\"done\"}");
  EXPECT_TRUE(wait_for([&] { return pending() == "0"; }));
  EXPECT_EQ(worker.counters.counter(shm::Metric::events_source_up, 1).value(), 1u);
  source.reset();
  EXPECT_EQ(worker.counters.counter(shm::Metric::events_source_up, 1).value(), 0u);
}

TEST_F(RedisSourceTest, OneChannelForAllAndOnlyWhatIsNew) {
  options.channel = "all";
  options.from = RedisSourceOptions::From::now;
  add({"data", "old"});
  begin();
  EXPECT_TRUE(
      wait_for([&] { return worker.counters.counter(shm::Metric::events_source_up, 1).value() == 1; }));
  add({"data", "new"});
  add({"channel", "x", "y", "z"});
  EXPECT_TRUE(wait_for([&] { return events("all") == "0:new 1:{\"channel\":\"x\",\"y\":\"z\"}"; }));
}

TEST_F(RedisSourceTest, JsonIsNothingButJson) {
  const std::string cut("{}\0\xff", 4), two("{}\0", 3);
  add({"channel", "a", "data", cut});
  add({"channel", "a", "data", two});
  begin();
  EXPECT_TRUE(wait_for([&] { return events("a") == "2:" + cut + " 0:" + two; }));
}

TEST_F(RedisSourceTest, AFieldThatComesTwiceHasItsLastValueAtItsFirstPlace) {
  add({"channel", "a", "x", "1", "y", "2", "x", "3"});
  begin();
  EXPECT_TRUE(wait_for([&] { return events("a") == "1:{\"x\":\"3\",\"y\":\"2\"}"; }));
}

// What its predecessor had got and not acknowledged comes first; what that had published comes once.
TEST_F(RedisSourceTest, ASuccessorGoesOnAndDoublesNothing) {
  server->say({"XGROUP", "CREATE", options.redis_stream, "group", "0", "MKSTREAM"});
  for (int i = 1; i <= 500; ++i) add({"channel", "a", "data", std::to_string(i)});
  // The predecessor reads 300, publishes 100 of them, acknowledges 50, and dies.
  const std::string first = server->say(
      {"XREADGROUP", "GROUP", "group", "banyan", "COUNT", "300", "STREAMS", options.redis_stream, ">"});
  std::vector<std::string> ids;
  for (size_t at = 0; (at = first.find('-', at)) != std::string::npos; ++at) {
    const size_t begin = first.rfind(' ', at) + 1;
    ids.push_back(first.substr(begin, first.find(' ', at) - begin));
  }
  ASSERT_EQ(ids.size(), 300u);
  for (int i = 0; i < 100; ++i) {
    const std::string key = fmt::format("redis:{}:{}", options.redis_stream, ids[i]),
                      data = std::to_string(i + 1);
    ASSERT_TRUE(publisher.publish({"a", shm::EventKind::text, data, key, {}, true}).ok());
    if (i < 50) server->say({"XACK", options.redis_stream, "group", ids[i]});
  }
  begin();
  EXPECT_TRUE(wait_for([&] { return log.find("a")->value().last.offset >= 500 && pending() == "0"; }));
  EXPECT_EQ(log.find("a")->value().last.offset, 500u);
  const auto joined = *log.join("a");
  const auto replay =
      *log.replay(joined.channel, std::nullopt, {.messages = 1000}, SIZE_MAX, worker.loop.fresh_now());
  for (size_t i = 0; i < replay.events.size(); ++i) ASSERT_EQ(replay.events[i].data, std::to_string(i + 1));
}

TEST_F(RedisSourceTest, EntriesThatCannotBePublishedAreLeftOut) {
  limits.schema = {{"n", EventFieldType::integer, false}};
  add({"data", "{\"n\":1}"});
  add({"channel", "a", "data", "{\"n\":\"1\"}"});
  add({"channel", "a", "data", std::string(limits.max_message + 1, 'x')});
  add({"channel", "a", "data", "{\"n\":2}"});
  begin();
  EXPECT_TRUE(wait_for([&] { return events("a") == "1:{\"n\":2}" && pending() == "0"; }));
}

// No room for channels: nothing is acknowledged until there is.
TEST_F(RedisSourceTest, WaitsUntilTheLogTakesEvents) {
  std::vector<uint32_t> channels;
  for (int i = 0; i < 16; ++i) channels.push_back(log.join(std::to_string(i))->channel);
  add({"channel", "0", "data", "x"});
  add({"channel", "a", "data", "y"});
  add({"channel", "0", "data", "z"});
  begin();
  const auto failed = [&] {
    return worker.counters.counter(shm::Metric::events_published, 1, shm::PublishResult::failed).value();
  };
  EXPECT_TRUE(wait_for([&] { return failed() >= 2; }));
  EXPECT_EQ(events("0"), "0:x");
  log.leave(channels[5]);
  EXPECT_TRUE(wait_for([&] { return events("0") == "0:x 0:z"; }));
  EXPECT_EQ(events("a"), "0:y");
  EXPECT_TRUE(wait_for([&] { return pending() == "0"; }));
}

// What was published before the one that is refused is acknowledged, and is not read again.
TEST_F(RedisSourceTest, AcknowledgesBeforeItWaits) {
  for (int i = 0; i < 16; ++i) ASSERT_TRUE(log.join(std::to_string(i)).ok());
  for (const char* channel : {"0", "1", "a", "2"}) add({"channel", channel, "data", "x"});
  begin();
  const auto counted = [&](shm::PublishResult result) {
    return worker.counters.counter(shm::Metric::events_published, 1, result).value();
  };
  EXPECT_TRUE(wait_for([&] { return counted(shm::PublishResult::failed) >= 2; }));
  EXPECT_EQ(pending(), "2");
  EXPECT_EQ(counted(shm::PublishResult::accepted), 2u);
  EXPECT_EQ(counted(shm::PublishResult::repeated), 0u);
}

TEST_F(RedisSourceTest, KeysOfClientsHideNoEntries) {
  const std::string id = add({"channel", "a", "data", "entry"});
  const std::string key = fmt::format("redis:{}:{}", options.redis_stream, id);
  ASSERT_TRUE(publisher.publish({"a", shm::EventKind::text, "client", key, {}}).ok());
  begin();
  EXPECT_TRUE(wait_for([&] { return events("a") == "0:client 0:entry"; }));
}

TEST_F(RedisSourceTest, ComesBackWhenRedisDoes) {
  RedisServer own;
  options.address.host = own.socket();
  const auto add_here = [&](const std::string& data) {
    own.say({"XADD", options.redis_stream, "*", "channel", "a", "data", data});
  };
  add_here("1");
  begin();
  EXPECT_TRUE(wait_for([&] { return events("a") == "0:1"; }));
  own.stop();
  const auto up = [&] { return worker.counters.counter(shm::Metric::events_source_up, 1).value(); };
  EXPECT_TRUE(wait_for([&] { return up() == 0; }));
  own.start();
  add_here("2");
  EXPECT_TRUE(wait_for([&] { return events("a") == "0:1 0:2"; }));
  // The group is gone, and made again.
  own.say({"DEL", options.redis_stream});
  add_here("3");
  EXPECT_TRUE(wait_for([&] { return events("a") == "0:1 0:2 0:3"; }));
}

TEST_F(RedisSourceTest, LogsIn) {
  RedisServer own;
  options.address.host = own.socket();
  own.say({"ACL", "SETUSER", "banyan", "on", ">secret", "~*", "+@all"});
  own.say({"ACL", "SETUSER", "default", "off"});
  options.username = "banyan";
  options.password = {"wrong"};
  options.database = 3;
  begin();
  const auto up = [&] { return worker.counters.counter(shm::Metric::events_source_up, 1).value(); };
  EXPECT_TRUE(wait_for([&] { return own.say({"ACL", "LOG"}).find("auth") != std::string::npos; }));
  EXPECT_EQ(up(), 0u);
  options.password = {"secret"};
  EXPECT_TRUE(wait_for([&] { return up() == 1; }));
  own.say({"AUTH", "banyan", "secret"});
  own.say({"SELECT", "3"});
  own.say({"XADD", options.redis_stream, "*", "channel", "a", "data", "1"});
  EXPECT_TRUE(wait_for([&] { return events("a") == "0:1"; }));
}

// The addresses of a name are tried in turn: this one may have another in front.
TEST_F(RedisSourceTest, NamesAreLookedUp) {
  const int listening = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ASSERT_EQ(bind(listening, reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(listen(listening, 5), 0);
  ASSERT_EQ(getsockname(listening, reinterpret_cast<sockaddr*>(&address), &size), 0);
  options.address = {
      .kind = config::Address::Kind::name, .host = "localhost", .port = ntohs(address.sin_port)};
  begin();
  int accepted = -1;
  EXPECT_TRUE(wait_for([&] {
    if (accepted < 0) accepted = accept(listening, nullptr, nullptr);
    return accepted >= 0;
  }));
  close(accepted);
  close(listening);
}

}  // namespace
}  // namespace banyan::handlers
