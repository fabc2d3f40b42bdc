#include "net/resolver.h"

#include <gtest/gtest.h>

#include <condition_variable>
#include <mutex>

#include "event/thread_pool.h"
#include "support/log_capture.h"
#include "unit/net/sockets.h"

namespace banyan::net {
namespace {

// A look-up whose answers the test sets, and which can be held back. Used from pool threads.
class FakeDns {
 public:
  Resolver::LookUp look_up() {
    return [this](const std::string& name) { return answer(name); };
  }
  void set(Result<Resolver::Addresses> answer) {
    std::lock_guard lock(mutex_);
    answer_ = std::move(answer);
  }
  void hold() {
    std::lock_guard lock(mutex_);
    held_ = true;
  }
  void let_go() {
    std::lock_guard lock(mutex_);
    held_ = false;
    changed_.notify_all();
  }
  int asked() {
    std::lock_guard lock(mutex_);
    return asked_;
  }

 private:
  Result<Resolver::Addresses> answer(const std::string&) {
    std::unique_lock lock(mutex_);
    ++asked_;
    changed_.wait(lock, [this] { return !held_; });
    return answer_;
  }
  std::mutex mutex_;
  std::condition_variable changed_;
  Result<Resolver::Addresses> answer_ = Resolver::Addresses{};
  bool held_ = false;
  int asked_ = 0;
};

struct Asker : Resolver::Listener {
  void on_resolved(const Result<Resolver::Addresses>& addresses) override {
    ++told;
    IpAddress::TextBuffer buffer;
    text = addresses ? std::string(addresses->at(0).host_text(buffer)) : addresses.error().message;
    if (destroy) destroy->reset();
  }
  int told = 0;
  std::string text;
  std::unique_ptr<Resolver::Question>* destroy = nullptr;
};

Resolver::Addresses one(std::string_view text) { return {*IpAddress::parse(text)}; }

Error failure() { return upstream_error(502, "dns_error", "resolve a.example: no such name"); }

class ResolverTest : public testing::Test {
 protected:
  ~ResolverTest() override { dns_.let_go(); }
  // Asks and waits for the answer.
  std::string ask(Resolver& resolver) {
    Asker asker;
    auto question = resolver.resolve("a.example", asker);
    EXPECT_TRUE(run_until(loop_, [&] { return asker.told == 1; }));
    return asker.text;
  }

  FakeDns dns_;  // outlives the pool's threads
  support::LogCapture log_;
  event::Loop loop_;
  event::ThreadPool pool_{loop_, 2};
};

TEST_F(ResolverTest, AnswersFromTheLoopAndKeepsTheAnswer) {
  Resolver resolver(loop_, pool_, {}, dns_.look_up());
  dns_.set(one("192.0.2.1"));
  EXPECT_EQ(resolver.find("a.example"), nullptr);
  Asker asker;
  auto question = resolver.resolve("a.example", asker);
  EXPECT_EQ(asker.told, 0);
  ASSERT_TRUE(run_until(loop_, [&] { return asker.told == 1; }));
  EXPECT_EQ(asker.text, "192.0.2.1");
  ASSERT_NE(resolver.find("a.example"), nullptr);
  EXPECT_EQ(*resolver.find("a.example"), one("192.0.2.1"));

  Asker second;
  auto again = resolver.resolve("a.example", second);
  EXPECT_EQ(second.told, 0);
  loop_.turn();
  EXPECT_EQ(second.text, "192.0.2.1");
  EXPECT_EQ(dns_.asked(), 1);
}

TEST_F(ResolverTest, WhoAsksMeanwhileWaitsForTheSameLookUp) {
  Resolver resolver(loop_, pool_, {}, dns_.look_up());
  dns_.set(one("192.0.2.1"));
  dns_.hold();
  Asker askers[3];
  std::vector<std::unique_ptr<Resolver::Question>> questions;
  for (Asker& asker : askers) questions.push_back(resolver.resolve("a.example", asker));
  questions[1].reset();
  dns_.let_go();
  ASSERT_TRUE(run_until(loop_, [&] { return askers[2].told == 1; }));
  EXPECT_EQ(askers[0].told, 1);
  EXPECT_EQ(askers[1].told, 0);
  EXPECT_EQ(dns_.asked(), 1);
}

TEST_F(ResolverTest, AnOldAnswerIsGivenAtOnceAndRefreshed) {
  Resolver resolver(loop_, pool_, {.refresh = Millis(0)}, dns_.look_up());
  dns_.set(one("192.0.2.1"));
  EXPECT_EQ(ask(resolver), "192.0.2.1");
  dns_.set(one("192.0.2.2"));
  dns_.hold();
  EXPECT_EQ(ask(resolver), "192.0.2.1");
  dns_.let_go();
  EXPECT_TRUE(run_until(loop_, [&] { return *resolver.find("a.example") == one("192.0.2.2"); }));
}

TEST_F(ResolverTest, AFailedRefreshKeepsTheGoodAnswerAndIsLoggedOnce) {
  Resolver resolver(loop_, pool_, {.refresh = Millis(0), .retry = Millis(0)}, dns_.look_up());
  dns_.set(one("192.0.2.1"));
  EXPECT_EQ(ask(resolver), "192.0.2.1");
  dns_.set(failure());
  EXPECT_EQ(ask(resolver), "192.0.2.1");
  ASSERT_TRUE(run_until(loop_, [&] { return log_.has("the last answer stays in use"); }));
  EXPECT_EQ(ask(resolver), "192.0.2.1");
  ASSERT_TRUE(run_until(loop_, [&] { return dns_.asked() >= 3; }));
  dns_.set(one("192.0.2.2"));
  ASSERT_TRUE(run_until(loop_, [&] {
    ask(resolver);
    return *resolver.find("a.example") == one("192.0.2.2");
  }));
  EXPECT_TRUE(log_.has("works again"));
  EXPECT_EQ(log_.text().find("stays in use"), log_.text().rfind("stays in use"));
}

TEST_F(ResolverTest, AFailureIsRememberedForAWhile) {
  Resolver resolver(loop_, pool_, {.retry = Millis(60'000)}, dns_.look_up());
  dns_.set(failure());
  EXPECT_EQ(ask(resolver), "resolve a.example: no such name");
  EXPECT_EQ(ask(resolver), "resolve a.example: no such name");
  EXPECT_EQ(dns_.asked(), 1);
  EXPECT_EQ(resolver.find("a.example"), nullptr);
}

TEST_F(ResolverTest, AfterAFailureItIsTriedAgain) {
  Resolver resolver(loop_, pool_, {.retry = Millis(0)}, dns_.look_up());
  dns_.set(failure());
  EXPECT_EQ(ask(resolver), "resolve a.example: no such name");
  dns_.set(one("192.0.2.1"));
  EXPECT_EQ(ask(resolver), "192.0.2.1");
}

TEST_F(ResolverTest, TheQuestionMayBeDestroyedByItsAnswer) {
  Resolver resolver(loop_, pool_, {}, dns_.look_up());
  dns_.set(one("192.0.2.1"));
  Asker asker;
  auto question = resolver.resolve("a.example", asker);
  asker.destroy = &question;
  ASSERT_TRUE(run_until(loop_, [&] { return asker.told == 1; }));
  EXPECT_EQ(question, nullptr);
}

TEST_F(ResolverTest, TheResolverMayGoWhileALookUpRuns) {
  dns_.hold();
  {
    Resolver resolver(loop_, pool_, {}, dns_.look_up());
    Asker asker;
    auto question = resolver.resolve("a.example", asker);
    ASSERT_TRUE(run_until(loop_, [&] { return dns_.asked() == 1; }));
  }
  dns_.let_go();
  bool over = false;
  event::PoolJob job = pool_.submit([] {}, [&] { over = true; });
  EXPECT_TRUE(run_until(loop_, [&] { return over; }));
}

TEST(ResolverSystem, KnowsLocalhostAndNotTheInvalid) {
  auto local = Resolver::look_up_by_system("localhost");
  ASSERT_TRUE(local) << local.error().message;
  IpAddress::TextBuffer buffer;
  std::string_view first = local->at(0).host_text(buffer);
  EXPECT_TRUE(first == "127.0.0.1" || first == "::1") << first;
  auto none = Resolver::look_up_by_system("no-such-host.invalid");
  ASSERT_FALSE(none);
  EXPECT_TRUE(none.error().type == "dns_error" || none.error().type == "dns_timeout");
  EXPECT_TRUE(none.error().nothing_sent);
  EXPECT_TRUE(none.error().message.starts_with("resolve no-such-host.invalid: "));
}

}  // namespace
}  // namespace banyan::net
