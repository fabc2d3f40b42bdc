// An event log in the hands of several processes, some of which are killed.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <map>
#include <set>
#include <thread>

#include "base/random.h"
#include "support/event_region.h"
#include "support/forked.h"

namespace banyan::shm {
namespace {

using namespace std::chrono_literals;
using testing::fork_to;

bool ended_well(pid_t pid) {
  int status = 0;
  return waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

template <class T>
T* share() {
  void* memory = mmap(nullptr, sizeof(T), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  return new (memory) T();
}

TEST(EventLogProcesses, AllSeeOneOrder) {
  constexpr int kPublishers = 4, kReaders = 3, kEach = 3000, kChannels = 3;
  testing::EventRegion region({.ring_bytes = 8 << 20, .max_channels = 32});
  struct Digest {
    std::atomic<uint64_t> ready, hash[kReaders], count[kReaders];
  };
  auto* digest = share<Digest>();
  std::vector<pid_t> children;
  for (uint32_t reader = 0; reader < kReaders; ++reader) {
    children.push_back(fork_to([&] {
      const auto log = region.view(reader);
      uint64_t cursor = log->end();
      for (int i = 0; i < kChannels; ++i) (void)*log->join(std::to_string(i));
      digest->ready++;
      std::map<uint32_t, uint64_t> last;
      uint64_t hash = 0, count = 0;
      EventLog::Event event;
      while (count < uint64_t{kPublishers} * kEach) {
        const auto next = log->next(cursor, event);
        if (next == EventLog::Next::overrun) _exit(2);
        if (next == EventLog::Next::none) {
          std::this_thread::yield();
          continue;
        }
        if (event.id.offset != ++last[event.channel]) _exit(3);
        hash = (hash * 31 + std::hash<std::string_view>()(event.data)) * 31 + event.channel;
        ++count;
      }
      digest->hash[reader] = hash;
      digest->count[reader] = count;
    }));
  }
  while (digest->ready < kReaders) std::this_thread::yield();
  for (int publisher = 0; publisher < kPublishers; ++publisher) {
    children.push_back(fork_to([&] {
      const auto log = region.view(EventLog::kNoWorker);
      for (int i = 0; i < kEach; ++i) {
        const std::string text = fmt::format("{}:{}:{}", publisher, i, std::string(i % 300, 'x'));
        const auto done = log->publish(std::to_string(i % kChannels), EventKind::text, text, "", TimePoint());
        if (!done.ok()) _exit(4);
      }
    }));
  }
  for (const pid_t pid : children) EXPECT_TRUE(ended_well(pid));
  for (int reader = 0; reader < kReaders; ++reader) {
    EXPECT_EQ(digest->count[reader], uint64_t{kPublishers} * kEach);
    EXPECT_EQ(digest->hash[reader], digest->hash[0]);
  }
  munmap(digest, sizeof(Digest));
}

// Readers that are overtaken notice it, and never give out what was overwritten half-way.
TEST(EventLogProcesses, AnOvertakenReaderSeesWholeEvents) {
  testing::EventRegion region({.ring_bytes = 64 << 10, .max_channels = 32});
  const auto log = region.view(0);
  const auto joined = *log->join("a");
  const pid_t publisher = fork_to([&] {
    const auto own = region.view(EventLog::kNoWorker);
    for (uint64_t i = 0;; ++i) {
      const std::string text(8 + i % 3000, static_cast<char>('a' + i % 26));
      if (!own->publish("a", EventKind::text, text, "", TimePoint()).ok()) _exit(4);
      if (i % 16 == 0) std::this_thread::yield();
    }
  });
  const TimePoint limit = MonotonicClock::now() + 20s;
  uint64_t cursor = joined.position, overruns = 0, seen = 0, replayed = 0;
  for (int turn = 0; overruns < 20 || seen < 300 || replayed < 300; ++turn) {
    ASSERT_LT(MonotonicClock::now(), limit) << overruns << " overruns, " << seen << " seen, " << replayed;
    EventLog::Event event;
    const auto next = log->next(cursor, event);
    overruns += next == EventLog::Next::overrun;
    if (next == EventLog::Next::event) {
      ++seen;
      ASSERT_EQ(event.data.size(), 8 + (event.id.offset - 1) % 3000);
      ASSERT_EQ(event.data.find_first_not_of(event.data[0]), std::string_view::npos);
      ASSERT_EQ(event.data[0], 'a' + static_cast<char>((event.id.offset - 1) % 26));
    }
    if (turn % 50 != 0) continue;
    const auto replay =
        *log->replay(joined.channel, std::nullopt, {.messages = 1000, .age = 1h}, SIZE_MAX, TimePoint());
    for (size_t i = 0; i < replay.events.size(); ++i, ++replayed) {
      const EventLog::Event& one = replay.events[i];
      ASSERT_EQ(one.id.offset, replay.events[0].id.offset + i);
      ASSERT_EQ(one.data.size(), 8 + (one.id.offset - 1) % 3000);
      ASSERT_EQ(one.data.find_first_not_of(one.data[0]), std::string_view::npos);
    }
  }
  kill(publisher, SIGKILL);
  waitpid(publisher, nullptr, 0);
}

// Three publishers, one of which is killed all the time. What a call of publish() has returned for is there,
// once; what was under way is there once or not at all.
TEST(EventLogProcesses, KilledPublishersLoseAndDoubleNothing) {
  constexpr uint64_t kKills = 150;
  testing::EventRegion region({.ring_bytes = 1 << 20, .max_channels = 64});
  // What the ring holds several times over.
  constexpr int64_t kMostAhead = 1000;
  struct Progress {
    std::atomic<uint64_t> begun[kKills + 2], returned[kKills + 2], stop;
    std::atomic<int64_t> ahead;  // of the reader, whom the machine may leave no time
  };
  auto* progress = share<Progress>();
  const auto publish_on = [&](uint64_t publisher) {
    const auto log = region.view(EventLog::kNoWorker);
    for (uint64_t i = 1; !progress->stop; ++i) {
      while (progress->ahead > kMostAhead && !progress->stop) std::this_thread::yield();
      progress->begun[publisher] = i;
      const std::string text = fmt::format("{}:{}", publisher, i), key = i % 3 ? text : "";
      // Channels come and go while it is killed.
      if (!log->publish(fmt::format("short-lived-{}", i % 100), EventKind::text, text, key, TimePoint())
               .ok() ||
          !log->publish("all", EventKind::text, text, key, TimePoint()).ok())
        _exit(4);
      progress->returned[publisher] = i;
      ++progress->ahead;
      if (publisher < kKills) continue;
      for (int wait = 0; wait < 20; ++wait) std::this_thread::yield();  // leaves the reader some time
    }
  };
  const auto reader = region.view(0);
  const auto all = *reader->join("all");
  uint64_t cursor = all.position, offset = 0;
  std::map<uint64_t, uint64_t> last;  // of each publisher
  const auto drain = [&] {
    EventLog::Event event;
    for (auto next = reader->next(cursor, event); next != EventLog::Next::none;
         next = reader->next(cursor, event)) {
      ASSERT_NE(next, EventLog::Next::overrun);
      --progress->ahead;
      ASSERT_EQ(event.id, (EventId{all.last.epoch, ++offset}));
      const size_t colon = event.data.find(':');
      const uint64_t publisher = std::stoull(std::string(event.data.substr(0, colon)));
      const uint64_t number = std::stoull(std::string(event.data.substr(colon + 1)));
      ASSERT_EQ(number, ++last[publisher]);
    }
  };
  std::vector<pid_t> lasting;
  for (uint64_t i = 0; i < 2; ++i) lasting.push_back(fork_to([&] { publish_on(kKills + i); }));
  Random random;
  for (uint64_t i = 0; i < kKills; ++i) {
    const pid_t victim = fork_to([&] { publish_on(i); });
    const uint64_t until = 1 + random.below(30);
    while (progress->begun[i] < until) drain();
    for (uint64_t spin = random.below(20'000); spin > 0; --spin)
      std::atomic_signal_fence(std::memory_order_seq_cst);
    kill(victim, SIGKILL);
    waitpid(victim, nullptr, 0);
    drain();
    if (HasFatalFailure()) break;
  }
  progress->stop = 1;
  for (const pid_t pid : lasting) EXPECT_TRUE(ended_well(pid));
  drain();
  for (uint64_t i = 0; i < kKills + 2; ++i) {
    EXPECT_GE(last[i], progress->returned[i]);
    EXPECT_LE(last[i], progress->begun[i]);
  }
  munmap(progress, sizeof(Progress));
}

}  // namespace
}  // namespace banyan::shm
