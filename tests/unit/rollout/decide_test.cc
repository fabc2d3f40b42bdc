#include "rollout/decide.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <string>
#include <vector>

#include "rollout/bucket.h"

namespace banyan::rollout {
namespace {

// From the reference implementation of the xxHash specification; they may never change.
TEST(Bucket, GoldenVectors) {
  EXPECT_EQ(stable_hash(""), 0xef46db3751d8e999u);
  EXPECT_EQ(stable_hash("a"), 0xd24ec4f1a98c6e5bu);
  EXPECT_EQ(stable_hash("abc"), 0x44bc2cf5ad770999u);
  EXPECT_EQ(seed_of("content"), 0x6c5b191a31c5a9fcu);
  EXPECT_EQ(bucket_of("content", "alice"), 7099u);
  EXPECT_EQ(bucket_of("content", "bob"), 305u);
  EXPECT_EQ(bucket_of("content", "192.0.2.1"), 675u);
  EXPECT_EQ(bucket_of("content", "session-0123456789abcdef0123456789abcdef"), 5761u);
  EXPECT_EQ(bucket_of("checkout", "alice"), 6327u);
  EXPECT_EQ(bucket_of("", ""), 636u);
}

TEST(Bucket, SharesAreWithinFiveStandardDeviations) {
  constexpr int kKeys = 100'000;
  for (const std::string_view salt : {"content", "checkout", "", "x"}) {
    for (const uint32_t percent : {100u, 1000u, 5000u, 9000u}) {
      int native = 0;
      for (int i = 0; i < kKeys; ++i) native += bucket_of(salt, "user-" + std::to_string(i)) < percent;
      const double share = percent / 10000.0;
      EXPECT_NEAR(native, kKeys * share, 5 * std::sqrt(kKeys * share * (1 - share))) << salt << percent;
    }
  }
}

TEST(Bucket, EveryBucketIsUsed) {
  std::vector<int> used(kBuckets);
  for (int i = 0; i < 300'000; ++i) ++used[bucket_of("content", std::to_string(i))];
  for (uint32_t bucket = 0; bucket < kBuckets; ++bucket) EXPECT_GT(used[bucket], 0) << bucket;
}

// The newest 10% of one rollout must not be the newest 10% of another.
TEST(Bucket, SaltsAreIndependent) {
  constexpr int kKeys = 100'000;
  int both = 0;
  for (int i = 0; i < kKeys; ++i) {
    const std::string key = std::to_string(i);
    both += bucket_of("content", key) < 1000 && bucket_of("checkout", key) < 1000;
  }
  EXPECT_NEAR(both, kKeys / 100, 5 * std::sqrt(kKeys * 0.01));
}

class DecideTest : public testing::Test {
 protected:
  DecideTest() {
    config::Rollout rollout;
    rollout.name = "content";
    rollout.salt = "content";
    rollout.percent = 1000;
    plan_ = make_plan(rollout);
  }
  State live(uint32_t percent) {
    State state;
    state.phase = Phase::set;
    state.percent = percent;
    return state;
  }
  Facts facts(std::string_view key, KeySource source = KeySource::client_ip) {
    Facts facts;
    facts.key = {source, {}, key};
    return facts;
  }
  // A key of that side at 50%.
  std::string key_of(Side side) {
    for (int i = 0;; ++i) {
      const std::string key = std::to_string(i);
      if ((bucket_of("content", key) < 5000) == (side == Side::native)) return key;
    }
  }

  Plan plan_;
};

TEST_F(DecideTest, ZeroIsNobodyAndHundredIsEverybody) {
  for (int i = 0; i < 100'000; ++i) {
    const std::string key = std::to_string(i);
    ASSERT_EQ(decide(plan_, live(0), facts(key)).side, Side::legacy) << key;
    ASSERT_EQ(decide(plan_, live(10000), facts(key)).side, Side::native) << key;
    Facts without;
    without.random = static_cast<uint64_t>(i) * 0x9e3779b97f4a7c15u;
    ASSERT_EQ(decide(plan_, live(0), without).side, Side::legacy);
    ASSERT_EQ(decide(plan_, live(10000), without).side, Side::native);
  }
}

// For a key of each bucket: native exactly from one percentage on.
TEST_F(DecideTest, EachBucketChangesSideOnceAndAtItsOwnPercentage) {
  std::vector<std::string> keys(kBuckets);
  for (int i = 0, found = 0; found < static_cast<int>(kBuckets); ++i) {
    std::string key = std::to_string(i);
    std::string& place = keys[bucket_of("content", key)];
    if (!place.empty()) continue;
    place = std::move(key);
    ++found;
  }
  for (uint32_t bucket = 0; bucket < kBuckets; ++bucket) {
    const Facts known = facts(keys[bucket]);
    EXPECT_EQ(decide(plan_, live(bucket), known).side, Side::legacy) << bucket;
    EXPECT_EQ(decide(plan_, live(bucket + 1), known).side, Side::native) << bucket;
  }
}

TEST_F(DecideTest, RaisingMovesNobodyBackAndLoweringOnlyTheNewest) {
  for (int i = 0; i < 2000; ++i) {
    const std::string key = "user" + std::to_string(i);
    bool was_native = false;
    for (uint32_t percent = 0; percent <= 10000; percent += 250) {
      const bool native = decide(plan_, live(percent), facts(key)).side == Side::native;
      EXPECT_TRUE(native || !was_native) << key << " at " << percent;
      was_native = native;
    }
  }
}

TEST_F(DecideTest, TheLiveValueWinsOverTheFiles) {
  EXPECT_EQ(decide(plan_, State{}, facts("x")).percent, 1000u);
  EXPECT_EQ(decide(plan_, live(0), facts("x")).percent, 0u);
  EXPECT_EQ(decide(plan_, live(10000), facts("x")).percent, 10000u);
  State damaged;
  damaged.phase = Phase::damaged;
  EXPECT_EQ(decide(plan_, damaged, facts("x")).percent, 0u);
  EXPECT_EQ(decide(plan_, live(4'000'000'000u), facts("x")).percent, 10000u);
}

TEST_F(DecideTest, ReasonsSayWhatKindOfKeyDecided) {
  EXPECT_EQ(decide(plan_, live(5000), facts("x", KeySource::cookie)).reason, Reason::cookie);
  EXPECT_EQ(decide(plan_, live(5000), facts("x", KeySource::header)).reason, Reason::header);
  EXPECT_EQ(decide(plan_, live(5000), facts("x", KeySource::client_ip)).reason, Reason::hash);
  EXPECT_EQ(decide(plan_, live(5000), Facts{}).reason, Reason::hash);
}

TEST_F(DecideTest, OverridesComeInTheirOrder) {
  const std::string native_key = key_of(Side::native);
  const std::string legacy_key = key_of(Side::legacy);
  Facts known = facts(legacy_key);
  EXPECT_EQ(decide(plan_, live(5000), known).side, Side::legacy);

  known.lua_key = native_key;
  Decision decision = decide(plan_, live(5000), known);
  EXPECT_EQ(decision.side, Side::native);
  EXPECT_EQ(decision.reason, Reason::lua);
  EXPECT_EQ(decision.key.source, KeySource::lua);
  EXPECT_EQ(decision.bucket, bucket_of("content", native_key));

  known.lua_percent = 0;
  decision = decide(plan_, live(10000), known);
  EXPECT_EQ(decision.side, Side::legacy);
  EXPECT_EQ(decision.reason, Reason::lua);
  EXPECT_EQ(decision.percent, 0u);

  known.lua_side = Side::native;
  decision = decide(plan_, live(0), known);
  EXPECT_EQ(decision.side, Side::native);
  EXPECT_EQ(decision.reason, Reason::lua);
  EXPECT_FALSE(decision.bucket_used);

  known.forced = Side::legacy;
  decision = decide(plan_, live(10000), known);
  EXPECT_EQ(decision.side, Side::legacy);
  EXPECT_EQ(decision.reason, Reason::forced);
}

TEST_F(DecideTest, ASickNativesShareGoesToLegacy) {
  const std::string native_key(key_of(Side::native));
  Facts known = facts(native_key);
  known.native_available = false;
  Decision decision = decide(plan_, live(5000), known);
  EXPECT_EQ(decision.side, Side::legacy);
  EXPECT_EQ(decision.reason, Reason::health);
  known.lua_side = Side::native;
  EXPECT_EQ(decide(plan_, live(5000), known).reason, Reason::health);
  known.forced = Side::native;
  EXPECT_EQ(decide(plan_, live(5000), known).side, Side::native) << "who asks for a side sees it";

  const std::string legacy_key(key_of(Side::legacy));
  Facts other = facts(legacy_key);
  other.native_available = false;
  EXPECT_EQ(decide(plan_, live(5000), other).reason, Reason::hash) << "legacy's own share is not concerned";
}

TEST_F(DecideTest, AClientWithoutKeyGetsACookieThatKeepsItsBucket) {
  config::Rollout rollout;
  rollout.name = "content";
  rollout.salt = "content";
  rollout.sticky = {{config::ClientKey::Kind::cookie, "uid"}};
  rollout.assign_cookie = true;
  const Plan plan = make_plan(rollout);

  struct Reader final : KeyReader {
    std::string field;
    std::string_view cookie(std::string_view name) const override { return find_cookie(field, name); }
    std::string_view header(std::string_view) const override { return {}; }
    std::string_view client_ip() const override { return "192.0.2.1"; }
  } reader;

  for (uint64_t random : {uint64_t{0}, uint64_t{1}, 0xdeadbeef12345678u, ~uint64_t{0}}) {
    reader.field.clear();
    Facts first;
    first.key = find_sticky_key(plan.sticky, reader);
    first.random = random;
    const Decision decision = decide(plan, live(5000), first);
    ASSERT_TRUE(decision.assign);
    const std::string cookie = assigned_cookie(plan, key_text(random).view(), true);
    EXPECT_TRUE(cookie.starts_with("banyan_content=")) << cookie;
    EXPECT_TRUE(cookie.ends_with("; Secure")) << cookie;

    reader.field = "a=b; " + cookie.substr(0, cookie.find(';'));
    Facts second;
    second.key = find_sticky_key(plan.sticky, reader);
    second.random = random + 1;
    const Decision again = decide(plan, live(5000), second);
    EXPECT_FALSE(again.assign);
    EXPECT_EQ(again.bucket, decision.bucket);
    EXPECT_EQ(again.side, decision.side);
  }
}

TEST_F(DecideTest, RandomBucketsKeepTheShare) {
  constexpr int kRequests = 50'000;
  int native = 0;
  for (int i = 0; i < kRequests; ++i) {
    Facts without;
    without.random = stable_hash(std::to_string(i), 4711);
    native += decide(plan_, live(1000), without).side == Side::native;
    EXPECT_FALSE(decide(plan_, live(1000), without).assign);
  }
  EXPECT_NEAR(native, kRequests / 10, 5 * std::sqrt(kRequests * 0.09));
}

TEST_F(DecideTest, OnlyTrustedNetworksMayForce) {
  config::Rollout rollout;
  rollout.name = "content";
  rollout.force = config::Force{"X-Banyan-Side", {config::parse_cidr("10.0.0.0/8").value()}};
  const Plan plan = make_plan(rollout);
  const uint8_t inside[] = {10, 1, 2, 3};
  const uint8_t outside[] = {11, 1, 2, 3};
  EXPECT_TRUE(may_force(plan, inside));
  EXPECT_FALSE(may_force(plan, outside));
  EXPECT_FALSE(may_force(plan_, inside)) << "no force in the configuration";
  EXPECT_EQ(parse_side("Native"), Side::native);
  EXPECT_EQ(parse_side("legacy"), Side::legacy);
  EXPECT_EQ(parse_side("nativ"), std::nullopt);
  EXPECT_EQ(parse_side(""), std::nullopt);
}

TEST(Cookie, TheFirstOfTheNameCounts) {
  EXPECT_EQ(find_cookie("uid=1; uid=2", "uid"), "1");
  EXPECT_EQ(find_cookie("a=0;uid=1;b=2", "uid"), "1");
  EXPECT_EQ(find_cookie("  uid = 1 ;x", "uid"), "1");
  EXPECT_EQ(find_cookie("uid=a=b", "uid"), "a=b");
  EXPECT_EQ(find_cookie("uid=\"q\"", "uid"), "\"q\"");
}

TEST(Cookie, OtherNamesAndBrokenPairsDoNot) {
  EXPECT_EQ(find_cookie("", "uid"), "");
  EXPECT_EQ(find_cookie("xuid=1", "uid"), "");
  EXPECT_EQ(find_cookie("UID=1", "uid"), "");
  EXPECT_EQ(find_cookie("uid", "uid"), "");
  EXPECT_EQ(find_cookie("x=uid=1", "uid"), "");
  EXPECT_EQ(find_cookie("uid=; uid=2", "uid"), "") << "the first one is empty";
  EXPECT_EQ(find_cookie(";;=;uid=7;", "uid"), "7");
}

TEST(StickyKey, TheFirstThatIsPresentCounts) {
  struct Reader final : KeyReader {
    std::string_view cookie(std::string_view name) const override { return name == "uid" ? uid : ""; }
    std::string_view header(std::string_view name) const override { return name == "X-User" ? user : ""; }
    std::string_view client_ip() const override { return "192.0.2.1"; }
    std::string_view uid, user;
  } reader;
  using Kind = config::ClientKey::Kind;
  const std::vector<config::ClientKey> keys = {
      {Kind::cookie, "uid"}, {Kind::header, "X-User"}, {Kind::client_ip, ""}};
  EXPECT_EQ(find_sticky_key(keys, reader).source, KeySource::client_ip);
  reader.user = "ann";
  EXPECT_EQ(find_sticky_key(keys, reader).value, "ann");
  reader.uid = "7";
  EXPECT_EQ(find_sticky_key(keys, reader).source, KeySource::cookie);
  EXPECT_EQ(find_sticky_key(keys, reader).name, "uid");
  EXPECT_EQ(find_sticky_key({}, reader).source, KeySource::none);
}

TEST(State, ReachesReadersThroughItsCell) {
  shm::Segment segment = shm::Segment::create().value();
  EXPECT_FALSE(state_cell(segment, 3).read().live());
  State state;
  state.phase = Phase::aborted;
  state.sequence = 12;
  state_cell(segment, 3).write(state);
  EXPECT_EQ(state_cell(segment, 3).read().phase, Phase::aborted);
  EXPECT_EQ(state_cell(segment, 3).read().sequence, 12u);
  EXPECT_FALSE(state_cell(segment, 4).read().live());
  EXPECT_EQ(phase_name(Phase::aborted), "aborted");
}

}  // namespace
}  // namespace banyan::rollout
