#include "shm/rollout_statistics.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "shm/processes.h"
#include "shm/segment.h"
#include "shm/tally.h"

namespace banyan::shm {
namespace {

using namespace std::chrono_literals;

Duration seconds(double value) {
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(value));
}

TEST(LatencyBuckets, CoverAllTimesWithoutGapInOrder) {
  EXPECT_EQ(latency_bucket(-5s), 0u);
  EXPECT_EQ(latency_bucket(0s), 0u);
  EXPECT_EQ(latency_bucket(100h), kLatencyBuckets - 1);
  for (size_t i = 0; i + 1 < kLatencyBuckets; ++i) {
    ASSERT_LT(latency_bound(i), latency_bound(i + 1)) << i;
    const auto upper = std::chrono::nanoseconds(std::llround(latency_bound(i + 1) * 1e9));
    ASSERT_EQ(latency_bucket(upper), i + 1) << "a bound belongs to the bucket above";
    ASSERT_EQ(latency_bucket(upper - 1ns), i);
  }
}

TEST(LatencyBuckets, AreNeverFurtherFromATimeThanTheErrorTheyPromise) {
  double worst = 0;
  for (double time = 100e-6; time <= 300; time *= 1.0001) {
    const double shown = latency_middle(latency_bucket(seconds(time)));
    worst = std::max(worst, std::abs(shown - time) / time);
  }
  // And at the edges, where it is largest.
  for (size_t i = 1; i + 1 < kLatencyBuckets; ++i) {
    worst = std::max(worst, latency_middle(i) / latency_bound(i) - 1);
    worst = std::max(worst, 1 - latency_middle(i) / latency_bound(i + 1));
  }
  EXPECT_LE(worst, kLatencyError);
  EXPECT_GT(worst, kLatencyError - 0.002) << "the promise is tight";
  EXPECT_LE(kLatencyError, 0.05);
}

TEST(SideTotals, QuantilesAreRightToTheErrorForAnyDistribution) {
  std::mt19937_64 random(7);
  std::lognormal_distribution<double> skewed(-4, 1.5);
  std::vector<double> times(5000);
  SideTotals totals;
  for (double& time : times) {
    time = std::clamp(skewed(random), 1e-4, 300.0);
    ++totals.latencies[latency_bucket(seconds(time))];
  }
  std::sort(times.begin(), times.end());
  for (double q : {0.001, 0.01, 0.25, 0.5, 0.9, 0.99, 0.999, 1.0}) {
    const double truth = times[static_cast<size_t>(std::ceil(q * times.size())) - 1];
    EXPECT_NEAR(totals.quantile(q) / truth, 1, kLatencyError + 1e-6) << q;
  }
  EXPECT_EQ(SideTotals().quantile(0.5), 0);
}

TEST(SideTotals, KnowErrorsFromRequests) {
  SideTotals totals;
  totals.endings = {90, 1, 2, 3, 4, 100, 50};
  EXPECT_EQ(totals.requests(), 200u) << "a diverted request is not this side's";
  EXPECT_EQ(totals.errors(), 10u) << "clients that went away are no errors";
  EXPECT_DOUBLE_EQ(totals.error_rate(), 0.05);
  EXPECT_EQ(SideTotals().error_rate(), 0);
}

class RolloutStatisticsTest : public testing::Test {
 protected:
  void announce(uint32_t worker) {
    announce_process(segment_, worker_slot(worker), 100 + worker, 1, WallTime(1000s));
  }
  int64_t blocks() const {
    struct stat status {};
    fstat(segment_.fd(), &status);
    return status.st_blocks;
  }

  Segment segment_ = Segment::create().value();
};

TEST_F(RolloutStatisticsTest, AreSummedOverWorkersAndKeptApartBySideAndRollout) {
  announce(0);
  announce(1);
  RolloutStatistics first(segment_, worker_slot(0));
  RolloutStatistics second(segment_, worker_slot(1));
  first.count(3, Side::native, Ending::answered, 20ms);
  first.count(3, Side::native, Ending::fallback, 2s);
  second.count(3, Side::native, Ending::answered, 20ms);
  second.count(3, Side::legacy, Ending::answered);
  second.count(1023, Side::legacy, Ending::timeout, 60s);

  const RolloutTotals totals = total_statistics(segment_, 3);
  EXPECT_EQ(totals.native.requests(), 3u);
  EXPECT_EQ(totals.native.errors(), 1u);
  EXPECT_EQ(totals.native.latencies[latency_bucket(20ms)], 2u);
  EXPECT_EQ(totals.legacy.requests(), 1u);
  EXPECT_EQ(totals.legacy.timed(), 0u) << "it had no duration";
  EXPECT_EQ(total_statistics(segment_, 1023).legacy.errors(), 1u);
  EXPECT_EQ(total_statistics(segment_, 4), RolloutTotals());
}

TEST_F(RolloutStatisticsTest, TakeMemoryOnlyForRolloutsWithRequests) {
  for (uint32_t worker = 0; worker < 8; ++worker) announce(worker);
  for (uint32_t rollout = 0; rollout < kRolloutNumbers; ++rollout) total_statistics(segment_, rollout);
  const int64_t at_rest = blocks();
  EXPECT_LE(at_rest * 512, 64 * 1024);
  RolloutStatistics statistics(segment_, worker_slot(0));
  statistics.count(500, Side::native, Ending::answered, 1ms);
  for (uint32_t rollout = 0; rollout < kRolloutNumbers; ++rollout) total_statistics(segment_, rollout);
  EXPECT_LE((blocks() - at_rest) * 512, 3 * 4096);
}

TEST_F(RolloutStatisticsTest, SurviveTheWorkersDeathAndItsSlotsNextUser) {
  announce(0);
  Retirement retirement(segment_);
  {
    RolloutStatistics statistics(segment_, worker_slot(0));
    statistics.count(1, Side::native, Ending::failed, 5ms);
    statistics.count(1, Side::legacy, Ending::answered, 5ms);
  }
  const RolloutTotals before = total_statistics(segment_, 1);
  retirement.retire_slot(worker_slot(0));
  EXPECT_EQ(total_statistics(segment_, 1), before);
  announce(0);
  RolloutStatistics successor(segment_, worker_slot(0));
  successor.count(1, Side::native, Ending::failed, 5ms);
  retirement.retire_slot(worker_slot(0));
  EXPECT_EQ(total_statistics(segment_, 1).native.count(Ending::failed), 2u);
  EXPECT_EQ(total_statistics(segment_, 1).native.latencies[latency_bucket(5ms)], 2u);
  EXPECT_EQ(total_statistics(segment_, 1).legacy.requests(), 1u);
}

// Killed while it counts, again and again: what is there only grows, every fold keeps it, and at most the
// request that was being counted is half there.
TEST_F(RolloutStatisticsTest, AreNeverTornByKilledWorkers) {
  announce(0);
  Retirement retirement(segment_);
  uint64_t before = 0;
  for (int round = 0; round < 20; ++round) {
    const pid_t child = fork();
    if (child == 0) {
      RolloutStatistics statistics(segment_, worker_slot(0));
      for (;;) statistics.count(7, Side::native, Ending::server_error, 3ms);
    }
    while (total_statistics(segment_, 7).native.requests() < before + 1000) {
    }
    kill(child, SIGKILL);
    ASSERT_EQ(waitpid(child, nullptr, 0), child);
    const RolloutTotals dead = total_statistics(segment_, 7);
    retirement.retire_slot(worker_slot(0));
    announce(0);
    const RolloutTotals folded = total_statistics(segment_, 7);
    EXPECT_EQ(folded, dead);
    EXPECT_EQ(folded.native.errors(), folded.native.requests());
    EXPECT_LE(folded.native.timed() - folded.native.requests(), static_cast<uint64_t>(round) + 1);
    before = folded.native.requests();
  }
}

TEST_F(RolloutStatisticsTest, DifferencesNeverGoBackwards) {
  RolloutTotals before;
  before.native.endings[0] = 10;
  RolloutTotals after;
  after.native.endings[0] = 4;
  after.legacy.latencies[5] = 2;
  const RolloutTotals between = difference(after, before);
  EXPECT_EQ(between.native.requests(), 0u);
  EXPECT_EQ(between.legacy.timed(), 2u);
  RolloutTotals sum = between;
  sum += between;
  EXPECT_EQ(sum.legacy.timed(), 4u);
}

}  // namespace
}  // namespace banyan::shm
