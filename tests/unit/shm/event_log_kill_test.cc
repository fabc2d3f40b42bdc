// kill -9 at every state that an event log's memory ever has: a process is led through an operation one
// instruction at a time, to see after which ones the memory is another; then it is done again and again, with
// the process killed after each of those (or some of them).
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <set>
#include <vector>

#include "base/random.h"
#include "support/event_region.h"
#include "support/forked.h"

namespace banyan::shm {
namespace {

using namespace std::chrono_literals;
using testing::Stepped;

const std::string kLongName(200, 'n');
constexpr uint32_t kChannels = 16;

struct EventLogKillTest : ::testing::Test {
  testing::EventRegion region{{.ring_bytes = 64 << 10, .max_channels = kChannels}};
  std::unique_ptr<EventLog> log = region.view(0);
  std::vector<std::byte> before;

  void remember() { before.assign(region.bytes().begin(), region.bytes().end()); }
  void restore() const { std::memcpy(region.bytes().data(), before.data(), before.size()); }

  EventId publish(std::string_view channel, std::string_view data, std::string_view key = {}) const {
    const auto done = log->publish(channel, EventKind::text, data, key, TimePoint(1s));
    EXPECT_TRUE(done.ok()) << (done.ok() ? "" : done.error().message);
    return done.ok() ? done->id : EventId();
  }

  // The pages of the region that the work changes.
  std::vector<size_t> changed_pages(const std::function<void()>& work) const {
    testing::fork_to(work);
    wait(nullptr);
    std::vector<size_t> pages;
    for (size_t at = 0; at < before.size(); at += 4096) {
      if (std::memcmp(before.data() + at, region.bytes().data() + at, 4096) != 0) pages.push_back(at);
    }
    restore();
    return pages;
  }

  // After how many instructions the memory is another than one instruction before.
  std::vector<uint64_t> changes(const std::function<void()>& work) const {
    work();  // what is bound and allocated at the first time changes the number of instructions
    restore();
    const std::vector<size_t> pages = changed_pages(work);
    std::vector<std::byte> last = before;
    std::vector<uint64_t> found;
    Stepped process(work);
    for (uint64_t count = 1; process.ready() && process.step(); ++count) {
      bool changed = false;
      for (size_t page : pages) {
        if (std::memcmp(last.data() + page, region.bytes().data() + page, 4096) == 0) continue;
        std::memcpy(last.data() + page, region.bytes().data() + page, 4096);
        changed = true;
      }
      if (changed) found.push_back(count);
    }
    process.end();
    restore();
    return found;
  }

  // All of them take a minute and more: a dozen, always others, unless BANYAN_LONG_TESTS is set.
  static std::vector<uint64_t> sample(std::vector<uint64_t> steps) {
    if (std::getenv("BANYAN_LONG_TESTS") || steps.size() < 12) return steps;
    std::vector<uint64_t> some;
    for (size_t at = Random().below(steps.size() / 12); at < steps.size(); at += steps.size() / 12)
      some.push_back(steps[at]);
    some.push_back(steps.back());
    return some;
  }

  static void kill_after(uint64_t instructions, const std::function<void()>& work) {
    Stepped process(work);
    for (uint64_t i = 0; i < instructions; ++i) ASSERT_TRUE(process.step());
  }

  // All that is there can be read, and everything can be used to the last piece.
  void check_all() {
    std::vector<EventLog::Channel> channels;
    ASSERT_TRUE(log->list(0, 100, channels).ok());
    ASSERT_EQ(channels.size(), log->channels());
    std::set<std::string> names;
    for (const EventLog::Channel& channel : channels) {
      EXPECT_TRUE(names.insert(channel.name).second);
      const auto found = *log->find(channel.name);
      ASSERT_TRUE(found) << channel.name;
      EXPECT_EQ(found->number, channel.number);
      const auto replay = *log->replay(channel.number, EventId{channel.last.epoch, 0}, {.messages = 1000},
                                       SIZE_MAX, TimePoint(1s));
      if (!replay.events.empty()) {
        EXPECT_EQ(replay.events.back().id, channel.last);
        for (size_t i = 1; i < replay.events.size(); ++i)
          EXPECT_EQ(replay.events[i].id.offset, replay.events[i - 1].id.offset + 1);
      }
    }
    std::set<uint32_t> numbers;
    for (uint32_t i = 0; i < kChannels; ++i) {
      const auto joined = log->join(fmt::format("{}{}", std::string(198, 'z'), char('a' + i)));
      ASSERT_TRUE(joined.ok()) << i;
      EXPECT_TRUE(numbers.insert(joined->channel).second);
    }
    EXPECT_EQ(log->join("one more").error().status, 503);
  }

  void check_publish(std::string_view channel, std::string_view data, std::string_view key) {
    remember();
    const auto work = [&] { publish(channel, data, key); };
    const auto old = *log->find(channel);
    const EventId last = old ? old->last : EventId();
    const std::vector<uint64_t> steps = changes(work);
    if (steps.empty()) GTEST_SKIP() << "ptrace(2) is not allowed here";
    EXPECT_GT(steps.size(), 20u);
    bool was_there = false;
    for (const uint64_t count : sample(steps)) {
      SCOPED_TRACE(fmt::format("killed after {} instructions", count));
      kill_after(count, work);
      const auto now = *log->find(channel);
      const bool there = now && now->last.offset == last.offset + 1;
      if (!there) {
        EXPECT_EQ(now ? now->last : EventId(), last);
      }
      EXPECT_TRUE(there || !was_there);  // once it counts, it counts
      was_there = there;
      // Whoever publishes it again gets it there once, if there is a key.
      const EventId again = publish(channel, data, key);
      EXPECT_EQ(again.offset, last.offset + (there && key.empty() ? 2 : 1));
      if (there) {
        EXPECT_EQ(again.epoch, now->last.epoch);
      }
      check_all();
      if (HasFailure()) return;
      restore();
    }
    EXPECT_TRUE(was_there);
  }
};

TEST_F(EventLogKillTest, Publish) {
  publish("a", "1"), publish("a", "2");
  check_publish("a", "hello", "");
}

TEST_F(EventLogKillTest, PublishWithAKeyToANewChannel) {
  publish("a", "1", "k1");
  check_publish(kLongName, "hello", "k2");
}

TEST_F(EventLogKillTest, PublishThatEvictsAChannel) {
  for (int i = 0; i < 40; ++i) publish(std::string(10 + 11 * (i % 17), char('a' + i % 26)), "x", "k");
  check_publish(kLongName, "hello", "key");
}

TEST_F(EventLogKillTest, PublishThatEvictsAKey) {
  for (int i = 0; i < 65536 + 5; ++i) publish("a", "x", std::to_string(i));
  check_publish("a", "hello", "key");
}

TEST_F(EventLogKillTest, PublishAcrossTheEndOfTheRing) {
  while (log->end() % (64 << 10) < (64 << 10) - 300) publish("a", std::string(100, 'x'));
  check_publish("a", std::string(500, 'y'), "key");
}

// The next owner of the lock is killed, too, while it takes back what the first one had begun.
TEST_F(EventLogKillTest, Recovery) {
  publish("a", "1");
  remember();
  const auto first = [&] { publish(kLongName, "hello", "key"); };
  const std::vector<uint64_t> steps = changes(first);
  if (steps.empty()) GTEST_SKIP() << "ptrace(2) is not allowed here";
  // With a full journal: a few stores before the event counts.
  kill_after(steps[steps.size() - 8], first);
  check_publish("a", "world", "other");
}

TEST_F(EventLogKillTest, Join) {
  for (int i = 0; i < 40; ++i) publish(std::string(1 + 11 * (i % 17), char('a' + i % 26)), "x");
  remember();
  const auto work = [&] { (void)region.view(1)->join(kLongName); };
  const std::vector<uint64_t> steps = changes(work);
  if (steps.empty()) GTEST_SKIP() << "ptrace(2) is not allowed here";
  for (const uint64_t count : sample(steps)) {
    SCOPED_TRACE(fmt::format("killed after {} instructions", count));
    kill_after(count, work);
    auto successor = region.view(1, 2);
    const auto found = *log->find(kLongName);
    EXPECT_EQ(found ? found->subscribers : 0, 0u);
    check_all();
    if (HasFailure()) return;
    restore();
  }
}

// A process that holds the lock and does not run costs an error, not a hanging worker.
TEST_F(EventLogKillTest, AStoppedOwnerIsNotWaitedForForEver) {
  remember();
  const auto work = [&] { publish("a", "hello"); };
  const std::vector<uint64_t> steps = changes(work);
  if (steps.empty()) GTEST_SKIP() << "ptrace(2) is not allowed here";
  Stepped owner(work);
  for (uint64_t i = 0; i < steps[steps.size() / 2]; ++i) ASSERT_TRUE(owner.step());
  const auto refused = log->publish("b", EventKind::text, "x", "", TimePoint(1s));
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().status, 503);
  // From now on at once, as long as it does not run.
  const TimePoint begin = MonotonicClock::now();
  Duration longest{};
  for (TimePoint now = begin; now < begin + 1100ms;) {
    EXPECT_EQ(log->join("c").error().status, 503);
    longest = std::max(longest, MonotonicClock::now() - now);
    now = MonotonicClock::now();
  }
  EXPECT_LT(longest, 900ms);
  owner.end();
  EXPECT_EQ(publish("b", "x").offset, 1u);
}

}  // namespace
}  // namespace banyan::shm
