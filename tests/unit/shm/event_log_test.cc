#include "shm/event_log.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <fstream>
#include <map>
#include <set>

#include "support/event_region.h"

namespace banyan::shm {
namespace {

using namespace std::chrono_literals;

struct EventLogTest : ::testing::Test {
  testing::EventRegion region{{.ring_bytes = 64 << 10, .max_channels = 32}};
  std::unique_ptr<EventLog> one = region.view(0), two = region.view(1);
  TimePoint now = MonotonicClock::now();

  EventId publish(std::string_view channel, std::string_view data, std::string_view key = {}) {
    Result<EventLog::Published> done = one->publish(channel, EventKind::text, data, key, now);
    EXPECT_TRUE(done.ok()) << (done.ok() ? "" : done.error().message);
    return done.ok() ? done->id : EventId();
  }
  // Everything behind the cursor, as "channel number/offset/data".
  static std::vector<std::string> drain(EventLog& log, uint64_t& cursor) {
    std::vector<std::string> seen;
    EventLog::Event event;
    while (log.next(cursor, event) == EventLog::Next::event)
      seen.push_back(fmt::format("{}/{}/{}", event.channel, event.id.offset, event.data));
    return seen;
  }
  EventLog::Replay replay(uint32_t channel, std::optional<EventId> after, EventLog::History history = {},
                          size_t most_bytes = SIZE_MAX) {
    return *one->replay(channel, after, history, most_bytes, now);
  }
  static std::string texts(const EventLog::Replay& replay) {
    std::string text;
    for (const EventLog::Event& event : replay.events) text += fmt::format("{} ", event.data);
    return text;
  }
};

TEST_F(EventLogTest, SubscribersSeeWhatIsPublishedInOneOrder) {
  const auto a = *one->join("a");
  const auto b = *two->join("b");
  const auto a2 = *two->join("a");
  EXPECT_EQ(a.channel, a2.channel);
  EXPECT_EQ(a.last.offset, 0u);
  EXPECT_EQ(publish("a", "first").offset, 1u);
  EXPECT_EQ(publish("b", "other").offset, 1u);
  EXPECT_EQ(publish("nobody", "x").offset, 1u);
  EXPECT_EQ(publish("a", "").offset, 2u);
  uint64_t cursor = a.position;
  EXPECT_EQ(drain(*one, cursor), (std::vector<std::string>{fmt::format("{}/1/first", a.channel),
                                                           fmt::format("{}/2/", a.channel)}));
  EXPECT_EQ(cursor, one->end());
  cursor = b.position;
  EXPECT_EQ(drain(*two, cursor).size(), 3u);
}

TEST_F(EventLogTest, AnEventKeepsItsBytesKindTimeAndId) {
  const auto joined = *one->join("a");
  for (size_t size : {0, 1, 7, 8, 9, 63, 4000}) {
    std::string data(size, '\0');
    for (size_t i = 0; i < size; ++i) data[i] = static_cast<char>(i * 7);
    uint64_t cursor = one->end();
    const auto done = *one->publish("a", EventKind::binary, data, "", now + Millis(size));
    EventLog::Event event;
    ASSERT_EQ(two->next(cursor, event), EventLog::Next::none);  // has no subscriber
    cursor = joined.position;
    uint64_t last = 0;
    while (one->next(cursor, event) == EventLog::Next::event) last = event.id.offset;
    EXPECT_EQ(last, done.id.offset);
    EXPECT_EQ(event.data, data);
    EXPECT_EQ(event.id, done.id);
    EXPECT_EQ(event.kind, EventKind::binary);
    EXPECT_EQ(event.published, now + Millis(size));
  }
}

TEST_F(EventLogTest, WhoJoinsKnowsWhatCameBefore) {
  publish("a", "1"), publish("a", "2");
  const auto joined = *one->join("a");
  EXPECT_EQ(joined.last.offset, 2u);
  publish("a", "3");
  uint64_t cursor = joined.position;
  EXPECT_EQ(drain(*one, cursor), std::vector<std::string>{fmt::format("{}/3/3", joined.channel)});
  EXPECT_EQ(texts(replay(joined.channel, joined.last)), "3 ");
}

TEST_F(EventLogTest, WakesTheWorkersThatListen) {
  auto far = region.view(200);
  EXPECT_TRUE(one->publish("a", EventKind::text, "x", "", now)->wake.empty());
  const auto joined = *far->join("a");
  (void)*two->join("b");
  WorkerSet expected;
  expected.add(200);
  EXPECT_EQ(one->publish("a", EventKind::text, "x", "", now)->wake, expected);
  far->join_again(joined.channel, 2);
  EXPECT_EQ(one->subscribers(joined.channel), 3u);
  far->leave(joined.channel, 3);
  EXPECT_TRUE(one->publish("a", EventKind::text, "x", "", now)->wake.empty());
  std::vector<uint32_t> visited;
  expected.add(0), expected.add(64);
  expected.each([&](uint32_t worker) { visited.push_back(worker); });
  EXPECT_EQ(visited, (std::vector<uint32_t>{0, 64, 200}));
}

TEST_F(EventLogTest, TheControllerPublishesAndNeverListens) {
  EventLog controller(region.bytes(), EventLog::kNoWorker, 7);
  const auto joined = *one->join("a");
  EXPECT_EQ(controller.publish("a", EventKind::text, "x", "", now)->id.offset, 1u);
  uint64_t cursor = joined.position;
  EventLog::Event event;
  EXPECT_EQ(controller.next(cursor, event), EventLog::Next::none);
  EXPECT_EQ(controller.find("a")->value().subscribers, 1u);
}

// ---------------------------------------------------------------- repeats

TEST_F(EventLogTest, ARepeatIsAnsweredWithTheFirstEvent) {
  const EventId first = publish("a", "x", "key");
  publish("a", "y");
  const auto again = *two->publish("a", EventKind::text, "x", "key", now + 23h);
  EXPECT_TRUE(again.repeated);
  EXPECT_EQ(again.id, first);
  EXPECT_TRUE(again.wake.empty());
  (void)*two->join("a");
  WorkerSet listening;
  listening.add(1);
  EXPECT_EQ(one->publish("a", EventKind::text, "x", "key", now)->wake, listening);
  EXPECT_EQ(publish("b", "x", "key").offset, 1u);  // keys belong to a channel
  const auto other = one->publish("a", EventKind::text, "z", "key", now);
  ASSERT_FALSE(other.ok());
  EXPECT_EQ(other.error().status, 422);
  EXPECT_EQ(publish("a", "z").offset, 3u);
  EXPECT_FALSE(one->publish("a", EventKind::text, "x", "key", now + 25h)->repeated);
  EXPECT_TRUE(one->publish("a", EventKind::text, "x", "key", now + 26h)->repeated);
}

TEST_F(EventLogTest, TheLast65536KeysAreKnown) {
  constexpr int kKeys = 65536;
  for (int i = 0; i < kKeys + 1000; ++i) publish("a", "x", std::to_string(i));
  EXPECT_EQ(publish("a", "x", "1000").offset, 1001u);
  EXPECT_EQ(publish("a", "x", std::to_string(kKeys + 999)).offset, kKeys + 1000u);
  EXPECT_EQ(publish("a", "x", "999").offset, kKeys + 1001u);
}

// ---------------------------------------------------------------- history

TEST_F(EventLogTest, ReplaysWhatIsMissing) {
  const auto joined = *one->join("a");
  for (int i = 1; i <= 5; ++i) publish("a", std::to_string(i)), publish("b", "-");
  const uint64_t epoch = joined.last.epoch;
  EXPECT_EQ(texts(replay(joined.channel, std::nullopt)), "1 2 3 4 5 ");
  const auto some = replay(joined.channel, EventId{epoch, 3});
  EXPECT_EQ(texts(some), "4 5 ");
  EXPECT_FALSE(some.gap);
  EXPECT_EQ(some.first_available, 4u);
  EXPECT_EQ(some.last, (EventId{epoch, 5}));
  const auto none = replay(joined.channel, EventId{epoch, 5});
  EXPECT_TRUE(none.events.empty());
  EXPECT_FALSE(none.gap);
  EXPECT_EQ(none.first_available, 6u);
}

TEST_F(EventLogTest, UnknownPlacesAreAGap) {
  const auto joined = *one->join("a");
  publish("a", "1"), publish("a", "2");
  const auto future = replay(joined.channel, EventId{joined.last.epoch, 3});
  EXPECT_TRUE(future.gap);
  EXPECT_EQ(texts(future), "1 2 ");
  const auto other = replay(joined.channel, EventId{joined.last.epoch + 1, 1});
  EXPECT_TRUE(other.gap);
  EXPECT_EQ(other.first_available, 1u);
  EXPECT_EQ(texts(other), "1 2 ");
  const auto fresh = replay(one->join("new")->channel, EventId{1, 0});
  EXPECT_TRUE(fresh.gap);
  EXPECT_EQ(fresh.first_available, 1u);
}

TEST_F(EventLogTest, HistoryEndsWithNumberAndAge) {
  const auto joined = *one->join("a");
  const EventId begin{joined.last.epoch, 0};
  for (int i = 1; i <= 5; ++i) {
    now += 10s;
    publish("a", std::to_string(i));
  }
  const auto few = replay(joined.channel, begin, {.messages = 2});
  EXPECT_EQ(texts(few), "4 5 ");
  EXPECT_TRUE(few.gap);
  EXPECT_EQ(few.first_available, 4u);
  EXPECT_EQ(texts(replay(joined.channel, begin, {.age = 20s})), "3 4 5 ");
  const auto nothing = replay(joined.channel, begin, {.messages = 0});
  EXPECT_TRUE(nothing.gap);
  EXPECT_EQ(nothing.first_available, 6u);
  EXPECT_FALSE(replay(joined.channel, EventId{begin.epoch, 5}, {.messages = 0}).gap);
}

TEST_F(EventLogTest, ReplaysInPieces) {
  const auto joined = *one->join("a");
  for (int i = 1; i <= 5; ++i) publish("a", std::string(100, static_cast<char>('0' + i)));
  EventId after{joined.last.epoch, 0};
  std::vector<size_t> pieces;
  for (bool more = true; more;) {
    const auto piece = replay(joined.channel, after, {}, pieces.empty() ? 10 : 200);
    EXPECT_FALSE(piece.gap);
    ASSERT_FALSE(piece.events.empty());
    EXPECT_EQ(piece.events.front().id.offset, after.offset + 1);
    after = piece.events.back().id;
    pieces.push_back(piece.events.size());
    more = piece.more;
  }
  EXPECT_EQ(pieces, (std::vector<size_t>{1, 2, 2}));
}

TEST_F(EventLogTest, TheRingComesAround) {
  const auto quiet = *one->join("quiet");
  publish("quiet", "early");
  const auto busy = *one->join("busy");
  uint64_t cursor = busy.position;
  const std::string data(1001, 'x');
  for (int i = 0; i < 500; ++i) publish("busy", fmt::format("{}{}", i, data));
  EventLog::Event event;
  EXPECT_EQ(one->next(cursor, event), EventLog::Next::overrun);
  EXPECT_EQ(cursor, one->end());
  EXPECT_EQ(one->next(cursor, event), EventLog::Next::none);
  const auto gap = replay(busy.channel, EventId{busy.last.epoch, 0}, {.messages = 1000});
  EXPECT_TRUE(gap.gap);
  EXPECT_GT(gap.events.size(), 55u);  // most of the ring
  EXPECT_EQ(gap.events.back().id.offset, 500u);
  EXPECT_EQ(gap.events.back().data, "499" + data);
  const auto lost = replay(quiet.channel, EventId{quiet.last.epoch, 0});
  EXPECT_TRUE(lost.gap);
  EXPECT_EQ(lost.first_available, 2u);
  EXPECT_FALSE(replay(quiet.channel, EventId{quiet.last.epoch, 1}).gap);
}

TEST_F(EventLogTest, EveryLengthComesThroughTheEndOfTheRing) {
  const auto joined = *one->join("a");
  uint64_t cursor = joined.position;
  EventLog::Event event;
  for (size_t i = 0; i < 4000; ++i) {
    const std::string data(i % one->longest_event(), static_cast<char>('a' + i % 26));
    publish("a", data);
    ASSERT_EQ(one->next(cursor, event), EventLog::Next::event) << i;
    ASSERT_EQ(event.data, data);
    ASSERT_EQ(event.id.offset, i + 1);
  }
}

TEST_F(EventLogTest, TooLongEventsAreRefused) {
  EXPECT_EQ(one->longest_event(), 4096u);
  const auto done = one->publish("a", EventKind::text, std::string(4097, 'x'), "", now);
  ASSERT_FALSE(done.ok());
  EXPECT_EQ(done.error().status, 413);
  EXPECT_EQ(publish("a", std::string(4096, 'x')).offset, 1u);
}

// ---------------------------------------------------------------- channels

TEST_F(EventLogTest, IdleChannelsMakeRoomAndComeBackWithAnotherEpoch) {
  const auto kept = *one->join("kept");
  const EventId early = publish("evicted", "x");
  for (int i = 0; i < 100; ++i) publish(fmt::format("channel-{}", i), "x");
  EXPECT_EQ(one->channels(), 32u);
  EXPECT_FALSE(one->find("evicted")->has_value());
  const EventId late = publish("evicted", "y");
  EXPECT_EQ(late.offset, 1u);
  EXPECT_NE(late.epoch, early.epoch);
  EXPECT_EQ(publish("kept", "z"), (EventId{kept.last.epoch, 1}));
}

TEST_F(EventLogTest, ChannelsWithSubscribersAreNotEvicted) {
  for (int i = 0; i < 32; ++i) ASSERT_TRUE(two->join(std::to_string(i)).ok());
  const auto refused = one->publish("more", EventKind::text, "x", "", now);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().status, 503);
  EXPECT_EQ(one->join("more").error().status, 503);
  two->leave(two->find("7")->value().number);
  EXPECT_EQ(publish("more", "x").offset, 1u);
  EXPECT_FALSE(one->find("7")->has_value());
}

// The idle ones may be far from where the search begins.
TEST(EventLogChannels, NoIdleChannelIsOverlooked) {
  constexpr uint32_t kChannels = 5000;
  testing::EventRegion region({.ring_bytes = 64 << 10, .max_channels = kChannels});
  const auto log = region.view(0), other = region.view(1);
  for (uint32_t i = 0; i < kChannels; ++i)
    ASSERT_TRUE((i % 2 ? log : other)->join(fmt::format("{}", i)).ok());
  EXPECT_EQ(log->join("new").error().status, 503);
  EXPECT_EQ(log->publish("new", EventKind::text, "x", "", TimePoint()).error().status, 503);
  for (const uint32_t idle : {4201u, 4199u, 1u, 4999u}) {
    log->leave(idle);
    EXPECT_EQ(log->join(fmt::format("new {}", idle))->channel, idle);
    EXPECT_EQ(log->join("more").error().status, 503);
  }
  log->leave(3333);
  EXPECT_EQ(log->publish("published", EventKind::text, "x", "k", TimePoint())->id.offset, 1u);
  EXPECT_FALSE(log->find("3333")->has_value());
}

TEST_F(EventLogTest, NamesOfAllLengthsComeAndGo) {
  for (int round = 0; round < 30; ++round) {
    std::map<std::string, EventLog::Joined> joined;
    for (size_t size = 1 + round % 9; size <= EventLog::kLongestName; size += 9) {
      const std::string name = std::string(size - 1, 'n') + static_cast<char>('A' + round);
      joined.emplace(name, *one->join(name));
    }
    std::set<uint32_t> numbers;
    for (const auto& [name, how] : joined) {
      EXPECT_TRUE(numbers.insert(how.channel).second);
      const auto found = *two->find(name);
      ASSERT_TRUE(found.has_value()) << name;
      EXPECT_EQ(found->name, name);
      EXPECT_EQ(found->number, how.channel);
      EXPECT_EQ(found->last, how.last);
    }
    for (const auto& [name, how] : joined) one->leave(how.channel);
  }
}

TEST_F(EventLogTest, ListsChannelsInSlices) {
  for (int i = 0; i < 20; ++i) publish(std::to_string(i), "x");
  (void)*two->join("3");
  publish("3", "y");
  std::vector<EventLog::Channel> all;
  uint32_t from = 0;
  int slices = 0;
  for (; from < 32; ++slices) from = *one->list(from, 7, all);
  EXPECT_EQ(slices, 3);
  ASSERT_EQ(all.size(), 20u);
  EXPECT_EQ(all[3].name, "3");
  EXPECT_EQ(all[3].subscribers, 1u);
  EXPECT_EQ(all[3].last.offset, 2u);
  EXPECT_EQ(all[3].published, now);
  EXPECT_FALSE(one->find("x")->has_value());
}

TEST_F(EventLogTest, ASuccessorLearnsWhatAKilledWorkerListenedTo) {
  const std::string long_name(200, 'n');
  for (const std::string& name : {std::string("a"), std::string("b"), long_name, std::string("b")}) {
    ASSERT_TRUE(two->join(name).ok());
  }
  two->leave(two->join("gone")->channel);
  ASSERT_TRUE(one->join("of the other").ok());
  EventLog::Left left;
  two->leave(two->find("a")->value().number);
  const EventLog same(region.bytes(), 1, 1, &left);
  EXPECT_TRUE(left.channels.empty()) << "another view of the same process";
  const EventLog successor(region.bytes(), 1, 2, &left);
  EXPECT_EQ(left.life, 1u);
  std::sort(left.channels.begin(), left.channels.end());
  EXPECT_EQ(left.channels, (std::vector<std::string>{"b", long_name}));
  const EventLog again(region.bytes(), 1, 2, &left);
  EXPECT_TRUE(left.channels.empty()) << "only the first is told";
}

TEST_F(EventLogTest, ANewLifeBeginsWithoutSubscribers) {
  const auto joined = *two->join("a");
  auto other_generation = region.view(1, 1);
  EXPECT_EQ(other_generation->own_subscribers(joined.channel), 1u);
  two.reset();
  EXPECT_EQ(one->subscribers(joined.channel), 1u);
  auto successor = region.view(1, 2);
  EXPECT_EQ(one->subscribers(joined.channel), 0u);
  EXPECT_EQ(successor->join("a")->channel, joined.channel);
  EXPECT_EQ(one->subscribers(joined.channel), 1u);
}

TEST(EventLogMemory, IsWhatIsUsed) {
  const EventLogShape shape;
  testing::EventRegion region(shape);
  const auto resident = [&] {
    uint64_t kilobytes = 0;
    std::ifstream smaps("/proc/self/smaps");
    bool ours = false;
    for (std::string line; std::getline(smaps, line);) {
      if (line.find('-') < 17 && line.find(" rw-s ") != std::string::npos)
        ours = std::stoull(line, nullptr, 16) == reinterpret_cast<uintptr_t>(region.bytes().data());
      if (ours && line.starts_with("Rss:")) kilobytes = std::stoull(line.substr(4));
    }
    return kilobytes * 1024;
  };
  const auto log = region.view(0);
  EXPECT_LE(resident(), 64u << 10);
  constexpr uint32_t kChannels = 100'000;
  std::vector<std::unique_ptr<EventLog>> workers;
  for (uint32_t i = 0; i < 6; ++i) workers.push_back(region.view(i));
  for (uint32_t i = 0; i < kChannels; ++i)
    ASSERT_TRUE(workers[i % 6]->join(fmt::format("orders.customer-{:07}", i)).ok());
  const uint64_t each = resident() / kChannels;
  RecordProperty("bytes_a_channel", static_cast<int>(each));
  EXPECT_LE(each, 150u);
}

TEST(EventIdTest, TextForm) {
  EXPECT_EQ(to_text({4503599627370497, 17}), "4503599627370497:17");
  EXPECT_EQ(parse_event_id("4503599627370497:17"), (EventId{4503599627370497, 17}));
  EXPECT_EQ(parse_event_id("9007199254740991:0"), (EventId{9007199254740991, 0}));
  for (std::string_view wrong : {"", ":", "1", "1:", ":1", "1:2:3", "-1:2", "+1:2", " 1:2", "1:2 ", "1: 2",
                                 "x:1", "1:0x1", "9007199254740992:1", "1:99999999999999999999"}) {
    EXPECT_FALSE(parse_event_id(wrong)) << wrong;
  }
}

}  // namespace
}  // namespace banyan::shm
