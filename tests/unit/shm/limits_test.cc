#include <gtest/gtest.h>

#include <thread>

#include "base/stable_hash.h"
#include "shm/in_flight.h"
#include "shm/processes.h"
#include "shm/rate_limiter.h"
#include "shm/tally.h"

namespace banyan::shm {
namespace {

using namespace std::chrono_literals;

class RateLimiterTest : public testing::Test {
 protected:
  int allowed(uint64_t hash, const RateLimiter::Rate& rate, int attempts, TimePoint now) {
    int count = 0;
    for (int i = 0; i < attempts; ++i) count += limiter_.allow(hash, rate, now).allowed;
    return count;
  }

  Segment segment_ = Segment::create().value();
  RateLimiter limiter_{segment_};
  const TimePoint start_{100h};
  const uint64_t client_ = stable_hash("192.0.2.1");
};

TEST_F(RateLimiterTest, LetsTheBurstThroughAndThenTheRate) {
  const RateLimiter::Rate rate{10, 1s, 5};
  EXPECT_EQ(allowed(client_, rate, 100, start_), 6) << "one and the burst";
  EXPECT_EQ(allowed(client_, rate, 100, start_ + 99ms), 0);
  EXPECT_EQ(allowed(client_, rate, 100, start_ + 100ms), 1);
  EXPECT_EQ(allowed(client_, rate, 100, start_ + 10s), 6) << "full again";
}

TEST_F(RateLimiterTest, SaysWhenToComeAgain) {
  const RateLimiter::Rate rate{1, 1s, 0};
  EXPECT_TRUE(limiter_.allow(client_, rate, start_).allowed);
  const auto refused = limiter_.allow(client_, rate, start_ + 400ms);
  EXPECT_FALSE(refused.allowed);
  EXPECT_EQ(refused.retry_after, 600ms);
  EXPECT_TRUE(limiter_.allow(client_, rate, start_ + 400ms + refused.retry_after).allowed);
}

TEST_F(RateLimiterTest, KeepsTheRateOverALongTime) {
  const RateLimiter::Rate rate{300, 1s, 10};
  int count = 0;
  for (auto at = 0us; at < 10s; at += 500us) count += limiter_.allow(client_, rate, start_ + at).allowed;
  EXPECT_NEAR(count, 3000 + 11, 3);
}

TEST_F(RateLimiterTest, ClientsDoNotDisturbEachOther) {
  const RateLimiter::Rate rate{1, 1h, 0};
  for (int i = 0; i < 20'000; ++i) {
    EXPECT_TRUE(limiter_.allow(stable_hash(std::to_string(i)), rate, start_).allowed) << i;
  }
  int remembered = 0;
  for (int i = 0; i < 20'000; ++i) {
    remembered += !limiter_.allow(stable_hash(std::to_string(i)), rate, start_).allowed;
  }
  EXPECT_EQ(remembered, 20'000);
}

TEST_F(RateLimiterTest, AFullSetForgetsWhoOwesLeast) {
  const RateLimiter::Rate rate{1, 1s, 100};
  const uint64_t set = 77;
  const auto client = [&](uint64_t i) { return set | i << 44; };
  for (uint64_t i = 1; i <= 8; ++i) allowed(client(i), rate, static_cast<int>(10 * i), start_);
  EXPECT_TRUE(limiter_.allow(client(9), rate, start_).allowed) << "takes the place of client 1";
  EXPECT_EQ(allowed(client(8), rate, 200, start_), 101 - 80);
}

TEST_F(RateLimiterTest, AnotherWorkersClockMayBeBehind) {
  const RateLimiter::Rate rate{10, 1s, 5};
  EXPECT_EQ(allowed(client_, rate, 6, start_), 6);
  EXPECT_FALSE(limiter_.allow(client_, rate, start_ - 5s).allowed);
}

TEST_F(RateLimiterTest, OldDebtsAreForgottenWhenTheClockGoesRound) {
  const RateLimiter::Rate rate{1, 1s, 0};
  const auto round = std::chrono::duration_cast<Duration>(
      std::chrono::duration<uint64_t, std::ratio<1, 4'000'000>>(uint64_t{1} << 44));
  for (const Duration later : {round / 4, round / 2, round / 2 + 1s, round - 100s, round, round + 1s}) {
    const uint64_t client = stable_hash(std::to_string(later.count()));
    ASSERT_TRUE(limiter_.allow(client, rate, start_).allowed);
    if (later == round) continue;  // the one instant that looks like now
    EXPECT_TRUE(limiter_.allow(client, rate, start_ + later).allowed) << later.count();
  }
}

TEST_F(RateLimiterTest, HugeRatesAndBurstsDoNotOverflow) {
  EXPECT_EQ(allowed(client_, {4'000'000'000u, 1s, 0}, 1000, start_), 1000);
  EXPECT_EQ(allowed(client_, {1, 1h, 4'000'000'000u}, 481, start_), 481) << "20 days of hours and one";
  EXPECT_FALSE(limiter_.allow(client_, {1, 1h, 4'000'000'000u}, start_).allowed);
}

TEST_F(RateLimiterTest, ManyWorkersTogetherKeepOneLimit) {
  const RateLimiter::Rate rate{1, 1min, 999};
  ASSERT_TRUE(limiter_.allow(client_, rate, start_).allowed);
  std::atomic<int> count = 1;
  const auto work = [&] {
    for (int i = 0; i < 1000; ++i) count += limiter_.allow(client_, rate, start_).allowed;
  };
  std::thread first(work);
  std::thread second(work);
  first.join();
  second.join();
  EXPECT_EQ(count, 1000);
}

class InFlightTest : public testing::Test {
 protected:
  InFlightTest() {
    for (uint32_t worker : {0u, 1u}) announce_process(segment_, worker_slot(worker), 1, 1, WallTime());
  }

  Segment segment_ = Segment::create().value();
  InFlight first_{segment_, worker_slot(0)};
  InFlight second_{segment_, worker_slot(1)};
  const uint64_t client_ = stable_hash("192.0.2.1");
};

TEST_F(InFlightTest, CountsOverWorkers) {
  auto a = first_.enter(client_, 3);
  auto b = second_.enter(client_, 3);
  auto c = second_.enter(client_, 3);
  EXPECT_TRUE(a && b && c);
  EXPECT_FALSE(first_.enter(client_, 3));
  EXPECT_FALSE(second_.enter(client_, 3));
  EXPECT_TRUE(first_.enter(stable_hash("192.0.2.2"), 3)) << "another client";
  b.reset();
  EXPECT_TRUE(first_.enter(client_, 3));
}

TEST_F(InFlightTest, ATicketMovesWithoutCountingTwice) {
  InFlight::Ticket kept;
  {
    auto ticket = first_.enter(client_, 1);
    ASSERT_TRUE(ticket);
    kept = std::move(*ticket);
  }
  EXPECT_FALSE(first_.enter(client_, 1));
  kept = InFlight::Ticket();
  EXPECT_TRUE(first_.enter(client_, 1));
}

TEST_F(InFlightTest, ADeadWorkersRequestsAreNoLongerUnderWay) {
  auto lost = first_.enter(client_, 2);
  auto lost_too = first_.enter(client_, 2);
  auto refused = second_.enter(client_, 2);
  EXPECT_FALSE(refused);
  Retirement(segment_).retire_slot(worker_slot(0));
  EXPECT_TRUE(second_.enter(client_, 2));
  // The dead worker's tickets do not come back in this process.
  for (InFlightSet& set : segment_.layout().in_flight[worker_slot(0)].sets) {
    for (Word& word : set.words) word.store(word.load() + 2);
  }
  lost.reset();
  lost_too.reset();
}

TEST_F(InFlightTest, AFullSetLetsPass) {
  std::vector<InFlight::Ticket> tickets;
  for (uint64_t i = 1; i <= 8; ++i) {
    auto ticket = first_.enter(i << 48 | (i << 48) >> 32, 1);
    ASSERT_TRUE(ticket && *ticket) << i;
    tickets.push_back(std::move(*ticket));
  }
  auto uncounted = first_.enter(uint64_t{9} << 48 | (uint64_t{9} << 48) >> 32, 1);
  ASSERT_TRUE(uncounted);
  EXPECT_FALSE(*uncounted);
}

TEST_F(InFlightTest, NeverAdmitsMoreThanTheLimit) {
  std::atomic<int> inside = 0;
  std::atomic<int> most = 0;
  const auto work = [&](InFlight& own) {
    for (int i = 0; i < 50'000; ++i) {
      auto ticket = own.enter(client_, 1);
      if (!ticket) continue;
      const int now = ++inside;
      if (now > most) most = now;
      --inside;
    }
  };
  std::thread thread([&] { work(second_); });
  work(first_);
  thread.join();
  EXPECT_EQ(most, 1);
}

}  // namespace
}  // namespace banyan::shm
