#include "shm/servers.h"

#include <gtest/gtest.h>

#include "shm/processes.h"
#include "shm/tally.h"

namespace banyan::shm {
namespace {

using namespace std::chrono_literals;

class ServersTest : public testing::Test {
 protected:
  ServersTest() : segment_(std::move(*Segment::create())) {
    for (uint32_t worker : {0, 1}) announce_process(segment_, worker_slot(worker), 1, 1, WallTime{});
  }

  Segment segment_;
  TimePoint now_ = TimePoint(1'000'000s);
  Ejections::Rules rules_{3, 10s, 25s};
};

TEST_F(ServersTest, EjectsAfterFailuresOfAllWorkersInARow) {
  Ejections one(segment_, 7), other(segment_, 7);
  EXPECT_FALSE(one.note_failure(rules_, now_, true));
  EXPECT_FALSE(other.note_failure(rules_, now_, true));
  other.note_success(rules_, now_);
  EXPECT_FALSE(one.note_failure(rules_, now_, true)) << "not in a row";
  EXPECT_FALSE(one.note_failure(rules_, now_, true));
  EXPECT_TRUE(other.note_failure(rules_, now_, true));
  EXPECT_TRUE(one.ejected(now_ + 9s));
  EXPECT_FALSE(one.ejected(now_ + 10s));
  EXPECT_FALSE(Ejections(segment_, 8).ejected(now_));
}

TEST_F(ServersTest, EachEjectionLastsLongerUntilItWasCalm) {
  Ejections server(segment_, 7);
  const auto eject = [&] {
    for (int i = 0; i < 2; ++i) EXPECT_FALSE(server.note_failure(rules_, now_, true));
    EXPECT_TRUE(server.note_failure(rules_, now_, true));
    const Duration time = server.until() - now_;
    now_ = server.until();
    return time;
  };
  EXPECT_EQ(eject(), 10s);
  EXPECT_EQ(eject(), 20s);
  EXPECT_EQ(eject(), 25s);
  now_ += 26s;
  server.note_success(rules_, now_);
  EXPECT_EQ(eject(), 10s);
}

TEST_F(ServersTest, WhatMustNotBeEjectedIsOnlyCounted) {
  Ejections server(segment_, 7);
  for (int i = 0; i < 10; ++i) EXPECT_FALSE(server.note_failure(rules_, now_, false));
  EXPECT_TRUE(server.note_failure(rules_, now_, true)) << "at once, when it may be";
}

TEST_F(ServersTest, NeverWithoutAnyFailuresAllowed) {
  Ejections server(segment_, 7);
  for (int i = 0; i < 100; ++i) EXPECT_FALSE(server.note_failure({}, now_, true));
}

TEST_F(ServersTest, AServerThatAsksForItIsSetAsideForAllWorkers) {
  Ejections one(segment_, 7), other(segment_, 7);
  EXPECT_TRUE(one.set_aside(now_, now_ + 30s));
  EXPECT_TRUE(other.ejected(now_ + 29s));
  EXPECT_FALSE(other.set_aside(now_, now_ + 10s)) << "never shorter";
  EXPECT_FALSE(other.set_aside(now_, now_ + 40s)) << "was already";
  EXPECT_TRUE(one.ejected(now_ + 39s));
  EXPECT_FALSE(one.ejected(now_ + 40s));
  EXPECT_TRUE(one.set_aside(now_ + 40s, now_ + 50s));
  for (int i = 0; i < 2; ++i) one.note_failure(rules_, now_ + 50s, true);
  EXPECT_TRUE(one.note_failure(rules_, now_ + 50s, true));
  EXPECT_EQ(one.until(), now_ + 60s) << "no ejection of ours was counted";
}

TEST_F(ServersTest, LoadIsTheSumOverWorkers) {
  ServerLoad one(segment_, worker_slot(0), 7), other(segment_, worker_slot(1), 7);
  EXPECT_TRUE(one.enter(3));
  EXPECT_TRUE(other.enter(3));
  EXPECT_FALSE(one.full(3));
  EXPECT_TRUE(other.enter(3));
  EXPECT_TRUE(one.full(3));
  EXPECT_FALSE(one.enter(3));
  EXPECT_FALSE(other.enter(3));
  one.leave();
  EXPECT_TRUE(other.enter(3));
  EXPECT_FALSE(ServerLoad(segment_, worker_slot(0), 8).full(1));
}

TEST_F(ServersTest, WhatADeadWorkerHadTakenIsFree) {
  ServerLoad one(segment_, worker_slot(0), 7), other(segment_, worker_slot(1), 7);
  while (one.enter(5)) {
  }
  EXPECT_FALSE(other.enter(5));
  Retirement(segment_).retire_slot(worker_slot(0));
  EXPECT_TRUE(other.enter(5));
}

TEST_F(ServersTest, RecoveryIsRemembered) {
  EXPECT_EQ(server_recovered(segment_, 7), std::nullopt);
  set_server_recovered(segment_, 7, now_);
  EXPECT_EQ(server_recovered(segment_, 7), now_);
}

}  // namespace
}  // namespace banyan::shm
