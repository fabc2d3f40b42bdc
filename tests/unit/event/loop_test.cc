#include "event/loop.h"

#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <memory>
#include <random>
#include <thread>
#include <vector>

#include "event/io.h"
#include "event/thread_pool.h"

namespace banyan::event {
namespace {

using namespace std::chrono_literals;

struct Counter {
  int runs = 0;
  void run() { ++runs; }
};

TEST(Deferred, RunsOnceAtTheEndOfTheTurnAndNotWhenCancelled) {
  Loop loop;
  Counter a, b;
  Deferred first(loop, Callback::to<&Counter::run>(&a));
  Deferred second(loop, Callback::to<&Counter::run>(&b));
  first.schedule();
  first.schedule();
  second.schedule();
  second.cancel();
  EXPECT_EQ(a.runs, 0);
  loop.turn();
  EXPECT_EQ(a.runs, 1);
  EXPECT_EQ(b.runs, 0);
}

TEST(Deferred, DestroyedWhileQueuedIsForgotten) {
  Loop loop;
  Counter a;
  {
    Deferred gone(loop, Callback::to<&Counter::run>(&a));
    gone.schedule();
  }
  Deferred kept(loop, Callback::to<&Counter::run>(&a));
  kept.schedule();
  loop.turn();
  EXPECT_EQ(a.runs, 1);
}

TEST(Graveyard, DestroysAfterTheNotices) {
  struct Body : Disposable {
    explicit Body(bool* dead) : dead_(dead) {}
    ~Body() override { *dead_ = true; }
    bool* dead_;
  };
  struct Witness {
    bool dead = false;
    bool dead_when_run = true;
    void run() { dead_when_run = dead; }
  } witness;
  Loop loop;
  Deferred notice(loop, Callback::to<&Witness::run>(&witness));
  loop.dispose(std::make_unique<Body>(&witness.dead));
  notice.schedule();
  loop.turn();
  EXPECT_FALSE(witness.dead_when_run);
  EXPECT_TRUE(witness.dead);
}

struct Firing {
  Loop* loop;
  std::vector<int>* order;
  int id;
  TimePoint due;
  bool early = false;
  void run() {
    early = loop->now() < due;
    order->push_back(id);
  }
};

TEST(Timer, FiresInOrderAndNeverEarly) {
  Loop loop;
  std::vector<int> order;
  std::vector<std::unique_ptr<Firing>> firings;
  std::vector<std::unique_ptr<Timer>> timers;
  for (int delay : {30, 5, 0, 70, 12}) {
    firings.push_back(std::make_unique<Firing>(Firing{&loop, &order, delay, loop.now() + Millis(delay)}));
    timers.push_back(std::make_unique<Timer>(loop, Callback::to<&Firing::run>(firings.back().get())));
    timers.back()->start(Millis(delay));
  }
  while (order.size() < 5) loop.turn();
  EXPECT_EQ(order, (std::vector<int>{0, 5, 12, 30, 70}));
  for (auto& firing : firings) EXPECT_FALSE(firing->early);
}

// Many sockets are ready in one turn, and each takes its time.
TEST(Timer, ADelayThatTheClockCannotSayIsALongOne) {
  Loop loop;
  std::vector<int> order;
  Firing firing{&loop, &order, 1, loop.now()};
  Timer never(loop, Callback::to<&Firing::run>(&firing));
  never.start(Duration::max());
  EXPECT_GT(never.when() - loop.now(), std::chrono::hours(24 * 300));
  Timer end(loop, Callback::to<&Loop::stop>(&loop));
  end.start(Millis(5));
  loop.run();
  EXPECT_TRUE(order.empty());
}

TEST(Timer, FiresBetweenTheEventsOfABusyTurn) {
  struct Busy {
    Loop* loop;
    int* handled;
    void run() {
      const TimePoint until = loop->fresh_now() + 1ms;
      while (loop->fresh_now() < until) continue;
      ++*handled;
    }
  };
  struct Alarm {
    int* handled;
    int handled_before = -1;
    void run() { handled_before = *handled; }
  };
  constexpr int kSockets = 32;  // what libevent asks the kernel for in its first turns
  Loop loop;
  int handled = 0;
  Busy busy{&loop, &handled};
  Alarm alarm{&handled};
  std::vector<int> sockets;
  std::vector<std::unique_ptr<IoWatch>> watches;
  for (int i = 0; i < kSockets; ++i) {
    sockets.push_back(eventfd(1, EFD_NONBLOCK));
    watches.push_back(std::make_unique<IoWatch>(loop, sockets.back(), IoWatch::Interest::read,
                                                Callback::to<&Busy::run>(&busy)));
    ASSERT_TRUE(watches.back()->start());
  }
  Timer timer(loop, Callback::to<&Alarm::run>(&alarm));
  timer.start(4ms);
  loop.turn();
  EXPECT_EQ(handled, kSockets);
  EXPECT_GE(alarm.handled_before, 1);
  EXPECT_LT(alarm.handled_before, kSockets);
  EXPECT_GE(loop.take_longest_turn(), Millis(kSockets));
  watches.clear();
  for (int fd : sockets) close(fd);
}

// What comes while the loop is busy is seen late, and what comes while it waits at once.
TEST(Loop, KnowsSinceWhenAnEventMayHaveCome) {
  struct Witness {
    Loop* loop;
    int sends = -1;  // to this socket, when it is run
    TimePoint sent{}, since{}, seen{};
    void run() {
      since = loop->events_since();
      seen = loop->fresh_now();
      if (sends < 0) return;
      sent = loop->fresh_now();
      eventfd_write(sends, 1);
      while (loop->fresh_now() < sent + 5ms) continue;
    }
  };
  const int one = eventfd(0, EFD_NONBLOCK), two = eventfd(0, EFD_NONBLOCK);
  Loop loop;
  Witness first{&loop, two}, second{&loop};
  IoWatch watch_one(loop, one, IoWatch::Interest::read, Callback::to<&Witness::run>(&first));
  IoWatch watch_two(loop, two, IoWatch::Interest::read, Callback::to<&Witness::run>(&second));
  ASSERT_TRUE(watch_one.start() && watch_two.start());
  struct Alarm {
    int socket;
    void run() { eventfd_write(socket, 1); }
  } alarm{one};
  Timer timer(loop, Callback::to<&Alarm::run>(&alarm));
  timer.start(20ms);
  const TimePoint began = loop.fresh_now();
  while (second.seen == TimePoint()) loop.turn();
  EXPECT_GT(first.since, began + 15ms);
  EXPECT_LE(second.since, first.sent);
  EXPECT_GE(second.since, first.since);
  EXPECT_GE(second.seen, first.sent + 5ms);
  watch_one.stop();
  watch_two.stop();
  close(one);
  close(two);
}

// The wheel against a plain list of due times, over all levels, with stops and restarts in between.
TEST(TimerWheel, AgreesWithAModel) {
  Loop loop;
  TimerWheel& wheel = loop.timers();
  std::mt19937_64 random(7);
  struct Entry {
    TimePoint due{};
    bool expected = false;
    int runs = 0;
    void run() { ++runs; }
  };
  constexpr int kTimers = 300;
  std::vector<Entry> entries(kTimers);
  std::vector<std::unique_ptr<Timer>> timers;
  for (Entry& entry : entries)
    timers.push_back(std::make_unique<Timer>(loop, Callback::to<&Entry::run>(&entry)));
  TimePoint now = loop.now();
  for (int step = 0; step < 3000; ++step) {
    size_t i = random() % kTimers;
    if (random() % 4 == 0) {
      timers[i]->stop();
      entries[i].expected = false;
    } else {
      uint64_t scale = uint64_t{1} << (random() % 28);
      entries[i].due = now + Millis(1 + random() % scale);
      entries[i].expected = true;
      timers[i]->start_at(entries[i].due);
      entries[i].due = timers[i]->when();
    }
    if (step % 3 == 0) {
      now += Millis(random() % (uint64_t{1} << (random() % 20)));
      wheel.advance(now);
      for (Entry& entry : entries) {
        bool due = entry.expected && entry.due <= now;
        EXPECT_EQ(entry.runs, due ? 1 : 0);
        if (due) entry.expected = false;
        entry.runs = 0;
      }
      EXPECT_GT(wheel.next_deadline(), now);
    }
  }
}

TEST(Timer, MayBeStoppedAndDestroyedByAnotherTimersNotice) {
  Loop loop;
  struct Killer {
    std::unique_ptr<Timer> victim;
    int runs = 0;
    void run() {
      victim.reset();
      ++runs;
    }
  } killer;
  Counter never;
  Timer timer(loop, Callback::to<&Killer::run>(&killer));
  killer.victim = std::make_unique<Timer>(loop, Callback::to<&Counter::run>(&never));
  killer.victim->start(1ms);
  timer.start(1ms);  // fires first: the newest stands at the head of the slot
  while (killer.runs == 0) loop.turn();
  EXPECT_EQ(never.runs, 0);
}

TEST(ThreadPool, RunsWorkElsewhereAndDoneOnTheLoop) {
  Loop loop;
  ThreadPool pool(loop, 2);
  std::thread::id worked, done;
  PoolJob job = pool.submit([&] { worked = std::this_thread::get_id(); },
                            [&] {
                              done = std::this_thread::get_id();
                              loop.stop();
                            });
  EXPECT_TRUE(job.pending());
  loop.run();
  EXPECT_NE(worked, std::this_thread::get_id());
  EXPECT_EQ(done, std::this_thread::get_id());
  EXPECT_FALSE(job.pending());
}

TEST(ThreadPool, CancelledJobDoesNotReport) {
  Loop loop;
  ThreadPool pool(loop, 1);
  bool reported = false;
  {
    PoolJob job = pool.submit([] {}, [&] { reported = true; });
  }
  PoolJob last = pool.submit([] {}, [&] { loop.stop(); });
  loop.run();
  EXPECT_FALSE(reported);
}

}  // namespace
}  // namespace banyan::event
