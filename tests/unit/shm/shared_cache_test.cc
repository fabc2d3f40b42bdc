#include "shm/shared_cache.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/random.h"
#include "shm/regions.h"

namespace banyan::shm {
namespace {

using namespace std::chrono_literals;

struct SharedCacheTest : ::testing::Test {
  Segment segment = *Segment::create();
  Region region = make_region(4 << 20);
  SharedCache cache{region.bytes(), 2};
  TimePoint now = MonotonicClock::now();

  Region make_region(uint64_t size) {
    EXPECT_TRUE(reserve_region(segment, Kind::handler, 1, size).ok());
    return *map_region(segment, Kind::handler, 1);
  }
  CacheTimes times() const { return {now, now + 10s, now + 20s}; }
  bool insert(SharedCache& where, const std::string& key, const std::string& body) {
    return where.insert(key, "meta", body, times());
  }
  static bool has(SharedCache& where, const std::string& key) {
    SharedCache::Found found;
    return where.find(key, found);
  }
};

TEST_F(SharedCacheTest, GivesBackWhatWasStored) {
  for (size_t size : {0, 1, 7, 8, 9, 1000, 16'000}) {
    const std::string key = fmt::format("key-{}", size), body(size, 'x');
    ASSERT_TRUE(cache.insert(key, "m", body, times()));
    SharedCache::Found found;
    ASSERT_TRUE(cache.find(key, found));
    EXPECT_EQ(found.body, body);
    EXPECT_EQ(found.meta, "m");
    EXPECT_EQ(found.times.asked, now);
    EXPECT_EQ(found.times.fresh_until, now + 10s);
    EXPECT_EQ(found.times.stale_until, now + 20s);
  }
  EXPECT_FALSE(has(cache, "other"));
}

TEST_F(SharedCacheTest, TheLastOneOfAKeyCounts) {
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(insert(cache, "k", std::to_string(i)));
  SharedCache::Found found;
  ASSERT_TRUE(cache.find("k", found));
  EXPECT_EQ(found.body, "99");
}

TEST_F(SharedCacheTest, RefusesWhatIsTooLarge) {
  EXPECT_FALSE(insert(cache, "k", std::string(cache.segment_size() / 4, 'x')));
  EXPECT_FALSE(has(cache, "k"));
}

TEST_F(SharedCacheTest, OtherWorkersSeeIt) {
  SharedCache other(region.bytes(), 3);
  ASSERT_TRUE(insert(cache, "a", "from 2"));
  ASSERT_TRUE(insert(other, "b", "from 3"));
  EXPECT_TRUE(has(other, "a"));
  EXPECT_TRUE(has(cache, "b"));
}

TEST_F(SharedCacheTest, StaysWithinItsBytesAndKeepsWhatIsAskedFor) {
  const std::string body(2000, 'x');
  for (int i = 0; i < 200; ++i) {
    insert(cache, fmt::format("hot-{}", i), body);
    EXPECT_TRUE(has(cache, fmt::format("hot-{}", i)));
  }
  // A scan of ten times the cache; the hot ones are asked for now and then.
  for (int i = 0; i < 20'000; ++i) {
    ASSERT_TRUE(insert(cache, fmt::format("scan-{}", i), body));
    if (i % 5 == 0) has(cache, fmt::format("hot-{}", i / 5 % 200));
  }
  int hot = 0, scanned = 0;
  for (int i = 0; i < 200; ++i) hot += has(cache, fmt::format("hot-{}", i));
  for (int i = 0; i < 20'000; ++i) scanned += has(cache, fmt::format("scan-{}", i));
  EXPECT_GE(hot, 190);
  EXPECT_LT(scanned, 400);  // an eighth of the cache
  EXPECT_GT(scanned, 50);
}

TEST_F(SharedCacheTest, WhatComesBackGetsAPlaceForLonger) {
  const std::string body(2000, 'x');
  const auto scan = [&](const char* name) {
    for (int i = 0; i < 1000; ++i) ASSERT_TRUE(insert(cache, fmt::format("{}-{}", name, i), body));
  };
  insert(cache, "again", body);
  scan("first");
  EXPECT_FALSE(has(cache, "again"));
  insert(cache, "again", body);
  scan("second");
  EXPECT_TRUE(has(cache, "again"));
}

TEST_F(SharedCacheTest, PurgesByKeyPrefixAndAll) {
  for (const char* key : {"a/1", "a/2", "b/1", "c"}) insert(cache, key, "x");
  cache.purge("a/1", false, now + 1ms);
  EXPECT_FALSE(has(cache, "a/1"));
  EXPECT_TRUE(has(cache, "a/2"));
  cache.purge("a/", true, now + 2ms);
  EXPECT_FALSE(has(cache, "a/2"));
  EXPECT_TRUE(has(cache, "b/1"));
  // Asked for before the purge: what comes now is as old.
  insert(cache, "a/2", "old");
  EXPECT_FALSE(has(cache, "a/2"));
  now += 3ms;
  insert(cache, "a/2", "new");
  EXPECT_TRUE(has(cache, "a/2"));
  cache.purge_all(now + 1ms);
  for (const char* key : {"a/2", "b/1", "c"}) EXPECT_FALSE(has(cache, key));
}

TEST_F(SharedCacheTest, OldPurgesAreNotForgotten) {
  insert(cache, "first", "x");
  cache.purge("first", false, now + 1ms);
  now += 2ms;
  insert(cache, "second", "x");
  for (int i = 0; i < 200; ++i) {
    cache.purge(fmt::format("other-{}", i), false, now + 1ms + 1ms * i);
    EXPECT_FALSE(has(cache, "first")) << i;
  }
  now += 300ms;
  insert(cache, "third", "x");
  EXPECT_TRUE(has(cache, "third"));
}

TEST_F(SharedCacheTest, ASuccessorGoesOn) {
  insert(cache, "a", "x");
  SharedCache successor(region.bytes(), 2);
  EXPECT_TRUE(has(successor, "a"));
  EXPECT_TRUE(insert(successor, "b", "x"));
  EXPECT_TRUE(insert(cache, "c", "x"));  // the one before may still be there for a while
  for (const char* key : {"a", "b", "c"}) EXPECT_TRUE(has(cache, key));
}

// Writers are killed at any instruction, others take their slots; whatever is found is right.
TEST_F(SharedCacheTest, SurvivesKilledWriters) {
  const auto body_of = [](uint64_t key, uint64_t salt) {
    return fmt::format("{}:{}", key, std::string(200 + key % 3000, static_cast<char>('a' + salt % 26)));
  };
  const auto write_for_ever = [&](uint32_t slot) {
    SharedCache mine(region.bytes(), slot);
    Random random;
    SharedCache::Found found;
    while (true) {
      const uint64_t key = random.below(2000);
      mine.insert(std::to_string(key), "meta", body_of(key, random.next()), times());
      mine.find(std::to_string(random.below(2000)), found);
    }
  };
  Random random(7);
  std::array<pid_t, 3> writers{};
  const auto begin = [&](size_t i) {
    writers[i] = fork();
    if (writers[i] == 0) write_for_ever(static_cast<uint32_t>(10 + i));
  };
  for (size_t i = 0; i < writers.size(); ++i) begin(i);
  uint64_t hits = 0;
  SharedCache::Found found;
  for (int round = 0; round < 60; ++round) {
    for (int i = 0; i < 2000; ++i) {
      const uint64_t key = random.below(2000);
      if (!cache.find(std::to_string(key), found)) continue;
      ++hits;
      const std::string prefix = fmt::format("{}:", key);
      ASSERT_TRUE(found.body.starts_with(prefix));
      ASSERT_EQ(found.body.size(), prefix.size() + 200 + key % 3000);
      ASSERT_EQ(found.body.find_first_not_of(found.body.back(), prefix.size()), std::string::npos);
    }
    const size_t victim = random.below(writers.size());
    kill(writers[victim], SIGKILL);
    waitpid(writers[victim], nullptr, 0);
    begin(victim);
  }
  for (pid_t writer : writers) {
    kill(writer, SIGKILL);
    waitpid(writer, nullptr, 0);
  }
  EXPECT_GT(hits, 1000u);
}

TEST(Regions, KeepTheirBytesWhileTheirSizeIsTheSame) {
  Segment segment = *Segment::create();
  EXPECT_FALSE(map_region(segment, Kind::handler, 1).ok());
  ASSERT_TRUE(reserve_region(segment, Kind::handler, 1, 10'000).ok());
  ASSERT_TRUE(reserve_region(segment, Kind::handler, 2, 5000).ok());
  Region one = *map_region(segment, Kind::handler, 1);
  Region two = *map_region(segment, Kind::handler, 2);
  EXPECT_EQ(one.bytes().size(), 12'288u);
  EXPECT_EQ(one.bytes()[0], std::byte{0});
  one.bytes()[0] = std::byte{1};
  two.bytes()[0] = std::byte{2};
  ASSERT_TRUE(reserve_region(segment, Kind::handler, 1, 10'000).ok());
  EXPECT_EQ(map_region(segment, Kind::handler, 1)->bytes()[0], std::byte{1});
  ASSERT_TRUE(reserve_region(segment, Kind::handler, 1, 20'000).ok());
  EXPECT_EQ(map_region(segment, Kind::handler, 1)->bytes()[0], std::byte{0});
  EXPECT_EQ(one.bytes()[0], std::byte{1});
  ASSERT_TRUE(reserve_region(segment, Kind::handler, 1, 30'000).ok());
  EXPECT_EQ(one.bytes()[0], std::byte{0});  // given back to the system
  EXPECT_EQ(two.bytes()[0], std::byte{2});
  EXPECT_FALSE(reserve_region(segment, Kind::handler, 3, uint64_t{1} << 41).ok());
}

}  // namespace
}  // namespace banyan::shm
