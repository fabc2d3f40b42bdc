#include "handler/bells.h"

#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

#include "support/fake_call.h"
#include "support/forked.h"

namespace banyan::handler {
namespace {

shm::WorkerSet set_of(std::initializer_list<uint32_t> workers) {
  shm::WorkerSet set;
  for (uint32_t worker : workers) set.add(worker);
  return set;
}

struct BellsTest : ::testing::Test {
  shm::Segment segment{*shm::Segment::create()};
  std::vector<int> fds{*make_bells(3)};
  event::Loop loop0, loop1;
  Bells zero{loop0, segment, fds, shm::worker_slot(0)};
  std::optional<Bells> one{std::in_place, loop1, segment, fds, shm::worker_slot(1)};
  int heard = 0;

  BellsTest() {
    // Each of them has rung the other when it was made.
    loop0.turn();
    loop1.turn();
  }
  ~BellsTest() override {
    one.reset();
    for (int fd : fds) close(fd);
  }
  void on_ring() { ++heard; }
  uint64_t counter(uint32_t worker) {
    eventfd_t count = 0;
    return eventfd_read(fds[worker], &count) == 0 ? count : 0;
  }
  Callback count() { return Callback::to<&BellsTest::on_ring>(this); }
};

TEST_F(BellsTest, RingsAnotherWorkerOnceUntilItHasLooked) {
  Bells::Listener listener(*one, count());
  for (int round = 1; round <= 3; ++round) {
    for (int i = 0; i < 5; ++i) zero.ring(set_of({1}));
    EXPECT_EQ(zero.system_calls(), static_cast<uint64_t>(round));
    loop1.turn();
    EXPECT_EQ(heard, round);
  }
}

TEST_F(BellsTest, CallsItsOwnListenersLaterAndWithoutSystemCalls) {
  Bells::Listener first(zero, count()), second(zero, count());
  zero.ring(set_of({0}));
  zero.ring(set_of({0}));
  EXPECT_EQ(heard, 0);
  loop0.turn();
  EXPECT_EQ(heard, 2);
  EXPECT_EQ(zero.system_calls(), 0u);
}

TEST_F(BellsTest, NobodyAndWorkersThatDoNotExistCostNothing) {
  zero.ring({});
  zero.ring(set_of({3, 255}));
  EXPECT_EQ(zero.system_calls(), 0u);
}

TEST_F(BellsTest, ADeadWorkerIsRungOnceAndItsSuccessorHears) {
  one.reset();
  for (int i = 0; i < 5; ++i) zero.ring(set_of({1, 2}));
  EXPECT_EQ(zero.system_calls(), 2u);
  one.emplace(loop1, segment, fds, shm::worker_slot(1));
  Bells::Listener listener(*one, count());
  zero.ring(set_of({1, 2}));
  EXPECT_EQ(zero.system_calls(), 3u);
  loop1.turn();
  EXPECT_GE(heard, 1);
}

TEST_F(BellsTest, TheControllerRingsToo) {
  event::Loop loop;
  Bells controller(loop, segment, fds, shm::kControllerSlot);
  Bells::Listener listener(zero, count());
  controller.ring(set_of({0}));
  loop0.turn();
  EXPECT_EQ(heard, 1);
}

// A process is killed with the flag up, before it has rung; the one in its place makes up for it.
TEST_F(BellsTest, AProcessThatIsKilledBeforeItRingsHasASuccessorThatDoes) {
  Bells::Listener listener(*one, count());
  counter(1);
  testing::Stepped victim([&] { zero.ring(set_of({1})); });
  if (!victim.ready()) GTEST_SKIP() << "ptrace(2) is not allowed here";
  while (segment.layout().bells[1].rung.load() == 0) ASSERT_TRUE(victim.step());
  victim.end();
  ASSERT_EQ(counter(1), 0u);
  zero.ring(set_of({1}));
  ASSERT_EQ(counter(1), 0u);  // nobody rings it any more
  for (const uint32_t slot : {shm::kControllerSlot, shm::worker_slot(2)}) {
    segment.layout().bells[1].rung.store(1);
    heard = 0;
    event::Loop loop;
    const Bells successor(loop, segment, fds, slot);
    EXPECT_TRUE(testing::run_until(loop1, [&] { return heard == 1; }));
    zero.ring(set_of({1}));
    EXPECT_TRUE(testing::run_until(loop1, [&] { return heard == 2; }));
  }
}

TEST_F(BellsTest, ListenersMayGoWhileTheyAreCalled) {
  struct Two {
    std::optional<Bells::Listener> first, second;
    int heard = 0;
    void on_ring() {
      ++heard;
      first.reset();
      second.reset();
    }
  } two;
  two.first.emplace(zero, Callback::to<&Two::on_ring>(&two));
  two.second.emplace(zero, Callback::to<&Two::on_ring>(&two));
  zero.ring(set_of({0}));
  loop0.turn();
  EXPECT_EQ(two.heard, 1);
}

// Another process counts up and rings; whatever the two are doing, the last count is seen.
TEST_F(BellsTest, NoNewsIsMissed) {
  constexpr uint64_t kRounds = 300, kNews = 100;
  void* memory = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  auto* words = new (memory) shm::Word[2]{};
  shm::Word &news = words[0], &seen = words[1];
  const pid_t other = testing::fork_to([&] {
    event::Loop loop;
    Bells bells(loop, segment, fds, shm::worker_slot(2));
    for (uint64_t round = 1; round <= kRounds; ++round) {
      for (uint64_t i = 0; i < kNews; ++i) {
        news.fetch_add(1, std::memory_order_relaxed);
        bells.ring(set_of({0}));
      }
      while (seen.load() < round * kNews) sched_yield();
    }
  });
  struct Reader {
    shm::Word &news, &seen;
    void on_ring() { seen.store(news.load()); }
  } reader{news, seen};
  Bells::Listener listener(zero, Callback::to<&Reader::on_ring>(&reader));
  EXPECT_TRUE(testing::run_until(loop0, [&] { return seen.load() == kRounds * kNews; }));
  int status = -1;
  EXPECT_EQ(waitpid(other, &status, 0), other);
  EXPECT_EQ(status, 0);
  munmap(memory, 4096);
}

}  // namespace
}  // namespace banyan::handler
