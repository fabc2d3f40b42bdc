#include "process/children.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <csignal>
#include <deque>

#include "base/log.h"
#include "shm/processes.h"

namespace banyan::process {
namespace {

using namespace std::chrono_literals;  // NOLINT
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr uint32_t kController = shm::kControllerSlot;

// A master whose children do what the test says.
class ChildrenTest : public ::testing::Test, protected Children::Observer {
 protected:
  ChildrenTest() {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, nullptr);
    signals = Fd(signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC));
    watch.emplace(loop, signals.get(), event::IoWatch::Interest::read,
                  Callback::to<&ChildrenTest::on_signal>(this));
    CHECK(watch->start());
    log::set_sink([](void* self, std::string_view line) { static_cast<ChildrenTest*>(self)->log += line; },
                  this);
  }
  ~ChildrenTest() override {
    children.let_all_go();
    for (uint32_t place : children.living()) children.kill(place, SIGKILL);
    wait_for([&] { return children.living().empty(); });
    log::set_sink(nullptr, nullptr);
  }

  void on_signal() {
    signalfd_siginfo one;
    while (read(signals.get(), &one, sizeof one) == sizeof one) {
    }
    children.reap();
  }

  // Children::Observer
  void on_child_message(uint32_t place, Message message) override {
    if (message.type == MessageType::ready) {
      pids.push_back(static_cast<pid_t>(message.number));
      children.set_state(place, Children::State::ready);
    }
    texts.push_back(message.text);
  }
  void on_child_death(uint32_t place, Children::State state, bool killed) override {
    deaths.emplace_back(place, state);
    last_was_killed = killed;
  }
  int live(uint32_t, Fd channel) override {
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    return life(std::move(channel));
  }

  // Says READY with its number and waits for its end.
  static int stay(Fd channel) {
    event::Loop loop;
    struct Ear final : Channel::Listener {
      explicit Ear(event::Loop& its_loop) : loop(its_loop) {}
      void on_message(Message message) override {
        if (message.type == MessageType::stop) loop.stop();
      }
      void on_channel_closed() override { loop.stop(); }
      event::Loop& loop;
    } ear(loop);
    Channel line(loop, std::move(channel), Channel::Side::child, ear);
    line.send({MessageType::ready, static_cast<uint64_t>(getpid())});
    loop.run();
    return 0;
  }

  template <class Condition>
  void wait_for(Condition condition, Duration limit = 20s) {
    TimePoint end = MonotonicClock::now() + limit;
    event::Timer tick(loop, Callback::to<&ChildrenTest::on_tick>(this));
    while (!condition() && MonotonicClock::now() < end) {
      tick.start(5ms);
      loop.turn();
    }
    EXPECT_TRUE(condition());
  }
  void on_tick() {}

  event::Loop loop;
  shm::Segment segment = std::move(*shm::Segment::create());
  Fd signals;
  std::optional<event::IoWatch> watch;
  std::vector<pid_t> pids;
  std::vector<std::string> texts;
  std::vector<std::pair<uint32_t, Children::State>> deaths;
  bool last_was_killed = false;
  std::string log;
  std::function<int(Fd)> life = &ChildrenTest::stay;
  Children children{loop, segment, *this};
};

TEST_F(ChildrenTest, AKilledOneIsReplacedAtOnce) {
  children.keep_alive(kController);
  children.keep_alive(shm::worker_slot(0));
  wait_for([&] { return pids.size() == 2; });
  EXPECT_THAT(children.living(), ElementsAre(kController, shm::worker_slot(0)));
  EXPECT_THAT(children.living_workers(), ElementsAre(shm::worker_slot(0)));
  TimePoint killed = MonotonicClock::now();
  children.kill(shm::worker_slot(0), SIGKILL);
  wait_for([&] { return pids.size() == 3; });
  EXPECT_LT(MonotonicClock::now() - killed, 1s);
  EXPECT_THAT(deaths, ElementsAre(std::pair(shm::worker_slot(0), Children::State::ready)));
  EXPECT_THAT(log, HasSubstr("worker 0"));
  EXPECT_THAT(log, HasSubstr("signal 9"));
  EXPECT_TRUE(last_was_killed);
  EXPECT_EQ(segment.layout().processes[shm::worker_slot(0)].restarts.load(), 1u);
}

TEST_F(ChildrenTest, OneThatDiesAgainAndAgainHasToWait) {
  life = [](Fd) { return 3; };
  children.keep_alive(kController);
  wait_for([&] { return deaths.size() == Backoff::kDeaths; });
  EXPECT_THAT(log, HasSubstr("exited with code 3"));
  EXPECT_FALSE(last_was_killed);
  EXPECT_THAT(log, HasSubstr("again and again"));
  EXPECT_FALSE(children.alive(kController));
  life = &ChildrenTest::stay;
  children.start_waiting();
  wait_for([&] { return pids.size() == 1; }, 300ms);
}

TEST_F(ChildrenTest, StartsAreHeldBack) {
  life = [](Fd) { return 3; };
  children.keep_alive(kController);
  wait_for([&] { return deaths.size() == Backoff::kDeaths; });
  children.hold_starts(true);
  life = &ChildrenTest::stay;
  children.start_waiting();
  TimePoint end = MonotonicClock::now() + 200ms;
  wait_for([&] { return children.alive(kController) || MonotonicClock::now() >= end; });
  EXPECT_FALSE(children.alive(kController));
  children.hold_starts(false);
  wait_for([&] { return pids.size() == 1; });
}

TEST_F(ChildrenTest, LastWordsAreHeard) {
  life = [](Fd fd) {
    event::Loop loop;
    struct : Channel::Listener {
      void on_message(Message) override {}
      void on_channel_closed() override {}
    } deaf;
    Channel line(loop, std::move(fd), Channel::Side::child, deaf);
    line.send({MessageType::refused, 1, "no such upstream\n"});
    return 1;
  };
  children.keep_alive(kController);
  wait_for([&] { return !deaths.empty(); });
  children.let_go(kController);
  EXPECT_EQ(texts.front(), "no such upstream\n");
}

TEST_F(ChildrenTest, WhoWasLetGoIsNotReplaced) {
  children.keep_alive(kController);
  wait_for([&] { return pids.size() == 1; });
  children.let_go(kController);
  children.set_state(kController, Children::State::draining);
  children.send(kController, {MessageType::stop});
  wait_for([&] { return children.living().empty(); });
  EXPECT_THAT(deaths, ElementsAre(std::pair(kController, Children::State::draining)));
  EXPECT_THAT(log, Not(HasSubstr("another")));
  children.keep_alive(kController);
  wait_for([&] { return pids.size() == 2; });
}

TEST_F(ChildrenTest, OneThatSpeaksNonsenseIsEnded) {
  life = [](Fd fd) {
    CHECK(write(fd.get(), "?", 1) == 1);
    while (true) pause();
    return 0;
  };
  children.keep_alive(kController);
  wait_for([&] { return !deaths.empty(); });
  EXPECT_THAT(log, HasSubstr("signal 9"));
}

}  // namespace
}  // namespace banyan::process
