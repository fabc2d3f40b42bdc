#include "shm/counters.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <set>

#include "shm/processes.h"
#include "shm/tally.h"

namespace banyan::shm {
namespace {

using namespace std::chrono_literals;

class CountersTest : public testing::Test {
 protected:
  // The worker lives: its slot is in use.
  void announce(uint32_t worker) {
    announce_process(segment_, worker_slot(worker), 100 + worker, 1, WallTime(1000s));
  }
  uint64_t total(uint64_t key) {
    auto totals = total_counters(segment_);
    auto it = totals.find(key);
    return it == totals.end() ? 0 : it->second;
  }

  Segment segment_ = Segment::create().value();
  const uint64_t key_ = series_key(Metric::http_requests, 5, value_of(Side::native), 0, 200);
};

TEST_F(CountersTest, KeysSayWhatTheyAreMadeOf) {
  EXPECT_EQ(metric_of(key_), Metric::http_requests);
  EXPECT_EQ(label_of(key_, 0), 5u);
  EXPECT_EQ(label_of(key_, 1), value_of(Side::native));
  EXPECT_EQ(label_of(key_, 2), 0u);
  EXPECT_EQ(label_of(key_, 3), 200u);
  EXPECT_EQ(label_of(series_key(Metric::http_requests, 16383), 0), 16383u);
}

TEST_F(CountersTest, RowsAreNamedAsPrometheusAsks) {
  std::set<std::string_view> names;
  for (const MetricRow& row : metric_rows()) {
    EXPECT_TRUE(names.insert(row.name).second) << row.name;
    EXPECT_EQ(row.name.ends_with("_total"), row.type == MetricType::counter) << row.name;
    if (row.type == MetricType::histogram) {
      EXPECT_TRUE(row.name.ends_with("_seconds")) << row.name;
    }
    EXPECT_TRUE(row.help.ends_with(".")) << row.name;
  }
}

TEST_F(CountersTest, CountsAndSumsOverProcesses) {
  announce(0);
  announce(1);
  Counters first(segment_, worker_slot(0));
  Counters second(segment_, worker_slot(1));
  first.counter(key_).add();
  first.counter(Metric::http_requests, 5, Side::native, 0, 200).add(2);
  second.counter(key_).add(10);
  EXPECT_EQ(total(key_), 13u);
  EXPECT_EQ(slot_counters(segment_, worker_slot(1)).at(key_), 10u);
}

TEST_F(CountersTest, GaugesGoDownAgain) {
  announce(0);
  Counters counters(segment_, worker_slot(0));
  Counter gauge = counters.counter(Metric::http_requests_in_flight, 1, Side::none);
  gauge.add(3);
  gauge.subtract();
  EXPECT_EQ(gauge.value(), 2u);
  gauge.set(9);
  EXPECT_EQ(total(series_key(Metric::http_requests_in_flight, 1)), 9u);
}

TEST_F(CountersTest, ManySeriesKeepTheirPlaces) {
  announce(0);
  Counters counters(segment_, worker_slot(0));
  Counter kept = counters.counter(key_);
  for (uint32_t route = 1; route <= 5000; ++route) {
    counters.counter(Metric::decisions, route, Side::native, Reason::hash).add(route);
  }
  kept.add();
  for (uint32_t route = 1; route <= 5000; ++route) {
    EXPECT_EQ(counters.counter(Metric::decisions, route, Side::native, Reason::hash).value(), route);
  }
  EXPECT_EQ(total(key_), 1u);
}

TEST_F(CountersTest, HistogramsFillTheRightBucket) {
  announce(0);
  Counters counters(segment_, worker_slot(0));
  Histogram histogram = counters.histogram(Metric::http_request_duration, 1, Side::legacy);
  histogram.observe(5ms);     // the bound itself belongs to the bucket
  histogram.observe(5001us);  // the next one
  histogram.observe(1h);
  const uint64_t base = series_key(Metric::http_request_duration, 1, value_of(Side::legacy));
  EXPECT_EQ(total(base), 1u);
  EXPECT_EQ(total(base + 1), 1u);
  EXPECT_EQ(total(base + kBounds), 1u);
  EXPECT_EQ(total(base + kBounds + 1), 5000u + 5001u + 3'600'000'000u);
}

TEST_F(CountersTest, AnAttachedWriterGoesOnWhereTheSlotStands) {
  announce(0);
  {
    Counters counters(segment_, worker_slot(0));
    counters.counter(key_).add(4);
    counters.histogram(Metric::http_request_duration, 1, Side::legacy).observe(1ms);
  }
  Counters again(segment_, worker_slot(0));
  again.counter(key_).add();
  again.histogram(Metric::http_request_duration, 1, Side::legacy).observe(1ms);
  EXPECT_EQ(total(key_), 5u);
  EXPECT_EQ(total(series_key(Metric::http_request_duration, 1, value_of(Side::legacy))), 2u);
}

TEST_F(CountersTest, AFullSlotDropsNewSeriesAndSaysSo) {
  announce(0);
  Counters counters(segment_, worker_slot(0));
  counters.counter(key_).add();
  for (uint32_t i = 0; i < 70'000; ++i) {
    counters.counter(Metric::upstream_requests, 1 + i % 16000, i / 16000).add();
  }
  counters.histogram(Metric::lua_call_duration, 1).observe(1ms);
  counters.counter(key_).add();
  EXPECT_EQ(total(key_), 2u) << "known series go on";
  EXPECT_GT(total(series_key(Metric::metrics_series_dropped)), 4'000u);
  EXPECT_LE(slot_counters(segment_, worker_slot(0)).size(), 65'000u);
}

TEST_F(CountersTest, WhatADeadWorkerCountedStaysAndItsGaugesGo) {
  announce(0);
  announce(1);
  Counters dead(segment_, worker_slot(0));
  Counters living(segment_, worker_slot(1));
  dead.counter(key_).add(7);
  dead.histogram(Metric::http_request_duration, 1, Side::legacy).observe(1ms);
  dead.counter(Metric::http_requests_in_flight, 1, Side::none).add(3);
  living.counter(key_).add(1);
  living.counter(Metric::http_requests_in_flight, 1, Side::none).add(2);

  Retirement retirement(segment_);
  for (int life = 1; life <= 3; ++life) {
    retirement.retire_slot(worker_slot(0));
    EXPECT_EQ(total(key_), 8u + 7 * (life - 1));
    EXPECT_EQ(total(series_key(Metric::http_requests_in_flight, 1)), 2u);
    Counters next(segment_, worker_slot(0));
    next.counter(key_).add(7);
  }
  EXPECT_EQ(total(series_key(Metric::http_request_duration, 1, value_of(Side::legacy))), 1u);
}

TEST_F(CountersTest, RetiringAnEmptySlotChangesNothing) {
  announce(0);
  Counters counters(segment_, worker_slot(0));
  counters.counter(key_).add(7);
  Retirement(segment_).retire_slot(worker_slot(1));
  EXPECT_EQ(total(key_), 7u);
}

TEST_F(CountersTest, ARetirementStartedAnewKnowsTheOldSeries) {
  announce(0);
  for (int life = 0; life < 2; ++life) {
    Counters counters(segment_, worker_slot(0));
    counters.counter(key_).add(5);
    Retirement(segment_).retire_slot(worker_slot(0));
  }
  EXPECT_EQ(total(key_), 10u);
  EXPECT_EQ(segment_.layout().retired.count.load(), 2u) << "one entry for each series";
}

TEST_F(CountersTest, ProcessesAreListedWhileTheyLive) {
  announce_process(segment_, kMasterSlot, 10, 0, WallTime(5s));
  announce(1);
  set_process_state(segment_, worker_slot(1), ProcessState::ready);
  segment_.layout().processes[worker_slot(1)].restarts.store(2);
  auto list = list_processes(segment_);
  ASSERT_EQ(list.size(), 2u);
  EXPECT_EQ(process_name(list[0].slot), "master");
  EXPECT_EQ(process_name(list[1].slot), "worker/1");
  EXPECT_EQ(list[1].pid, 101u);
  EXPECT_EQ(list[1].state, ProcessState::ready);
  EXPECT_EQ(list[1].started, WallTime(1000s));
  Retirement(segment_).retire_slot(worker_slot(1));
  EXPECT_EQ(list_processes(segment_).size(), 1u);
  EXPECT_EQ(segment_.layout().processes[worker_slot(1)].restarts.load(), 2u) << "counts on over lives";
}

}  // namespace
}  // namespace banyan::shm
