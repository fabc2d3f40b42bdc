#include "exchange/farewells.h"

#include <gtest/gtest.h>

#include <list>

#include "event/loop.h"

namespace banyan::exchange {
namespace {

using namespace std::chrono_literals;

class FarewellsTest : public testing::Test {
 protected:
  class FakeMember final : public Farewells::Member {
   public:
    explicit FakeMember(FarewellsTest& test) : test_(test) {}
    void on_farewell() override {
      called.push_back(test_.loop_.now());
      ++test_.gone_;
    }
    std::vector<TimePoint> called;

   private:
    FarewellsTest& test_;
  };

  ~FarewellsTest() override {
    for (FakeMember& member : members_) farewells_.remove(member);
  }

  FakeMember& add(bool told) {
    FakeMember& member = members_.emplace_back(*this);
    farewells_.add(member, told);
    return member;
  }
  void run_until_gone(size_t count) {
    const TimePoint limit = loop_.fresh_now() + 10s;
    event::Timer tick(loop_, Callback::to<&event::Loop::stop>(&loop_));
    while (gone_ < count && loop_.fresh_now() < limit) {
      tick.start(Millis(5));
      loop_.turn();
    }
    EXPECT_EQ(gone_, count);
  }

  event::Loop loop_;
  Farewells farewells_{loop_};
  std::list<FakeMember> members_;
  size_t gone_ = 0;
};

TEST_F(FarewellsTest, NobodyLeavesBeforeTheProcessStops) {
  FakeMember& member = add(true);
  farewells_.remove(member);
  farewells_.remove(member);
  farewells_.begin(100ms);
  FakeMember& late = add(true);
  run_until_gone(1);
  EXPECT_TRUE(member.called.empty());
  EXPECT_EQ(late.called.size(), 1u);
}

TEST_F(FarewellsTest, EachOnceOneAfterTheOther) {
  for (int i = 0; i < 40; ++i) add(true);
  const TimePoint began = loop_.now();
  farewells_.begin(800ms);
  run_until_gone(40);
  TimePoint first = TimePoint::max(), last{};
  for (const FakeMember& member : members_) {
    ASSERT_EQ(member.called.size(), 1u);
    first = std::min(first, member.called[0]);
    last = std::max(last, member.called[0]);
  }
  EXPECT_LT(first, began + 300ms);
  EXPECT_GE(last, began + 400ms) << "not all at once";
}

TEST_F(FarewellsTest, WhoCannotBeToldGetsMoreTime) {
  FakeMember& untold = add(false);
  FakeMember& told = add(true);
  const TimePoint began = loop_.now();
  farewells_.begin(600ms);
  run_until_gone(2);
  EXPECT_GE(untold.called.at(0), began + 300ms);
  EXPECT_LT(told.called.at(0), untold.called.at(0));
}

TEST_F(FarewellsTest, WithoutTimeAllGoAtOnceButThoseThatHaveGone) {
  for (int i = 0; i < 10; ++i) add(true);
  farewells_.begin(0ms);
  farewells_.remove(members_.front());
  run_until_gone(9);
  EXPECT_TRUE(members_.front().called.empty());
}

}  // namespace
}  // namespace banyan::exchange
