#include "exchange/follow.h"

#include <gtest/gtest.h>

#include <list>

#include "event/loop.h"
#include "rollout/bucket.h"

namespace banyan::exchange {
namespace {

using namespace std::chrono_literals;

class FakeHandler final : public handler::Handler {
 public:
  std::unique_ptr<handler::Session> open(handler::Call&) override { return nullptr; }
  bool available() const override { return well; }
  bool well = true;
};

class FakeBook final : public route::TargetBook {
 public:
  const route::Target* find_target(std::string_view name) const override {
    return name == "rollout.r" ? &target : nullptr;
  }
  route::Target target;
};

class FakeMember final : public Follow::Member {
 public:
  explicit FakeMember(uint32_t bucket) : bucket(bucket) {}
  void on_moved() override { ++moved; }
  uint32_t bucket;
  int moved = 0;
};

class FollowTest : public testing::Test {
 protected:
  FollowTest() {
    config::Rollout rollout;
    rollout.name = "r";
    rollout.salt = "r";
    rollout.close_rate = {1000, 1s};
    target_.plan = rollout::make_plan(rollout);
    target_.state = &rollout::state_cell(segment_, 1);
    target_.native.handler = &native_;
    target_.legacy.handler = &legacy_;
    book_.target.rollout = &target_;
    order(5000);
    follow_.switch_to(book_);
  }
  ~FollowTest() override {
    for (FakeMember& member : members_) follow_.remove(member);
  }

  void order(uint32_t percent) {
    rollout::State state;
    state.phase = rollout::Phase::set;
    state.percent = percent;
    rollout::state_cell(segment_, 1).write(state);
  }
  FakeMember& join(uint32_t bucket, uint32_t percent = 5000) {
    FakeMember& member = members_.emplace_back(bucket);
    const auto side = bucket < percent ? shm::Side::native : shm::Side::legacy;
    follow_.add(member, "r", {rollout::bucket_recipe(target_.plan), bucket, percent, side});
    return member;
  }
  // Turns the loop for that time.
  void run_for(Millis time) {
    event::Timer end(loop_, Callback::to<&event::Loop::stop>(&loop_));
    end.start(time);
    loop_.run();
  }
  int moved() const {
    int count = 0;
    for (const FakeMember& member : members_) {
      EXPECT_LE(member.moved, 1);
      count += member.moved;
    }
    return count;
  }
  template <class Condition>
  void run_until(Condition condition) {
    for (int i = 0; i < 500 && !condition(); ++i) run_for(10ms);
    EXPECT_TRUE(condition());
  }

  event::Loop loop_;
  shm::Segment segment_ = shm::Segment::create().value();
  FakeHandler native_;
  FakeHandler legacy_;
  route::RolloutTarget target_;
  FakeBook book_;
  Follow follow_{loop_, 0, 1};
  std::list<FakeMember> members_;
};

TEST_F(FollowTest, OnlyThoseWhoseSideHasChangedAreEndedAndOnce) {
  FakeMember& oldest = join(0);
  FakeMember& between = join(1000);
  FakeMember& newest = join(4999);
  FakeMember& legacy = join(5000);
  run_for(250ms);
  EXPECT_EQ(moved(), 0);
  order(1000);
  run_until([&] { return moved() == 2; });
  run_for(250ms);
  EXPECT_EQ(oldest.moved, 0);
  EXPECT_EQ(between.moved, 1);
  EXPECT_EQ(newest.moved, 1);
  EXPECT_EQ(legacy.moved, 0);
  order(10000);
  run_until([&] { return legacy.moved == 1; });
  EXPECT_EQ(moved(), 3) << "who is native already stays; who has left is not asked again";
}

TEST_F(FollowTest, WhoLeavesByItselfIsForgotten) {
  FakeMember& member = join(1);
  join(2);
  follow_.remove(member);
  order(0);
  run_until([&] { return moved() == 1; });
  EXPECT_EQ(member.moved, 0);
}

TEST_F(FollowTest, AChangeTakenBackKeepsThoseThatAreStillThere) {
  target_.plan.close_rate = {1, 1h};
  for (uint32_t i = 0; i < 20; ++i) join(i);
  order(0);
  run_for(300ms);
  EXPECT_LE(moved(), 1);
  order(5000);
  target_.plan.close_rate = {1000, 1s};
  const int before = moved();
  run_for(400ms);
  EXPECT_EQ(moved(), before);
}

TEST_F(FollowTest, OffMeansNever) {
  target_.plan.close_rate.count = 0;
  join(1);
  order(0);
  run_for(300ms);
  EXPECT_EQ(moved(), 0);
}

TEST_F(FollowTest, NobodyIsSentBackToANativeSideThatIsDown) {
  native_.well = false;
  join(7000);
  order(10000);
  run_for(300ms);
  EXPECT_EQ(moved(), 0);
  native_.well = true;
  run_until([&] { return moved() == 1; });
}

TEST_F(FollowTest, ThoseThatHealthHadSentToLegacyAreWhereARollbackWantsThem) {
  FakeMember& member = members_.emplace_back(10);
  follow_.add(member, "r", {rollout::bucket_recipe(target_.plan), 10, 5000, shm::Side::legacy});
  order(0);
  run_for(300ms);
  EXPECT_EQ(member.moved, 0);
}

TEST_F(FollowTest, ANewSaltSaysNothingAboutOldBuckets) {
  const uint64_t old = rollout::bucket_recipe(target_.plan);
  target_.plan.seed = rollout::seed_of("another");
  FakeMember& member = members_.emplace_back(10);
  follow_.add(member, "r", {old, 10, 5000, shm::Side::native});
  order(0);
  run_for(300ms);
  EXPECT_EQ(member.moved, 0);
}

TEST_F(FollowTest, AChangedStartValueOfTheConfigurationCountsToo) {
  rollout::state_cell(segment_, 1).write({});
  FakeMember& member = members_.emplace_back(10);
  follow_.add(member, "r", {rollout::bucket_recipe(target_.plan), 10, 5000, shm::Side::native});
  target_.plan.percent = 0;
  follow_.switch_to(book_);
  run_until([&] { return member.moved == 1; });
}

// Several workers, each with more than enough to close: in no second do they close more than the rate, and
// together they keep it.
TEST_F(FollowTest, AllWorkersTogetherKeepToTheRate) {
  constexpr int kWorkers = 3;
  target_.plan.close_rate = {60, 1s};
  std::vector<TimePoint> closes;
  struct Recording final : Follow::Member {
    std::vector<TimePoint>* closes = nullptr;
    event::Loop* loop = nullptr;
    void on_moved() override { closes->push_back(loop->now()); }
  };
  std::list<Recording> clients;
  std::list<Follow> workers;
  for (uint32_t w = 0; w < kWorkers; ++w) {
    Follow& follow = workers.emplace_back(loop_, w, kWorkers);
    follow.switch_to(book_);
    for (int i = 0; i < 200; ++i) {
      Recording& client = clients.emplace_back();
      client.closes = &closes;
      client.loop = &loop_;
      follow.add(client, "r", {rollout::bucket_recipe(target_.plan), 1, 5000, shm::Side::native});
    }
  }
  order(0);
  run_for(2100ms);
  ASSERT_GT(closes.size(), 60u);
  for (size_t i = 0; i + 66 < closes.size(); ++i) {
    // A tenth more than the rate, for a turn of the loop that came late.
    EXPECT_GT(closes[i + 66] - closes[i], 1s - 20ms);
  }
  for (Recording& client : clients) workers.front().remove(client);
}

}  // namespace
}  // namespace banyan::exchange
