#include "upstream/balance.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "shm/segment.h"

namespace banyan::upstream {
namespace {

using Balance = config::Upstream::Balance;

class BalanceTest : public testing::Test {
 protected:
  void SetUp() override {
    auto segment = shm::Segment::create();
    ASSERT_TRUE(segment.ok());
    segment_ = std::make_unique<shm::Segment>(std::move(*segment));
    counters_ = std::make_unique<shm::Counters>(*segment_, shm::worker_slot(0));
  }
  void add(uint16_t port, uint32_t weight) {
    config::Server settings;
    settings.address = {config::Address::Kind::ipv4, "127.0.0.1", port};
    settings.weight = weight;
    servers_.push_back(std::make_unique<Server>(settings, static_cast<uint32_t>(servers_.size()) + 1,
                                                *segment_, *counters_, shm::worker_slot(0)));
  }
  std::vector<Server*> all() {
    std::vector<Server*> usable;
    for (auto& server : servers_) usable.push_back(server.get());
    return usable;
  }

  std::unique_ptr<shm::Segment> segment_;
  std::unique_ptr<shm::Counters> counters_;
  std::vector<std::unique_ptr<Server>> servers_;
};

TEST_F(BalanceTest, RoundRobinFollowsWeightsSmoothly) {
  add(1, 5);
  add(2, 1);
  add(3, 1);
  Balancer balancer(Balance::round_robin, servers_);
  std::string order;
  for (int i = 0; i < 7; ++i) order += balancer.pick(all(), 0)->name().back();
  EXPECT_EQ(order, "1121311") << "nginx's order for weights 5, 1, 1";
}

TEST_F(BalanceTest, LeastConnectionsByWeightAndInTurnAmongEquals) {
  add(1, 1);
  add(2, 1);
  add(3, 2);
  Balancer balancer(Balance::least_conn, servers_);
  std::map<Server*, int> picked;
  for (int i = 0; i < 8; ++i) {
    Server* server = balancer.pick(all(), 0);
    server->begin_request();
    ++picked[server];
  }
  EXPECT_EQ(picked[servers_[0].get()], 2);
  EXPECT_EQ(picked[servers_[1].get()], 2);
  EXPECT_EQ(picked[servers_[2].get()], 4);
}

TEST_F(BalanceTest, PowerOfTwoAvoidsTheBusiest) {
  for (uint16_t port = 1; port <= 4; ++port) add(port, 1);
  for (int i = 0; i < 100; ++i) servers_[2]->begin_request();
  Balancer balancer(Balance::p2c, servers_);
  for (int i = 0; i < 1000; ++i) EXPECT_NE(balancer.pick(all(), 0), servers_[2].get());
}

TEST_F(BalanceTest, HashIsStableAndMovesOnlyTheShareOfAServerThatLeaves) {
  for (uint16_t port = 1; port <= 5; ++port) add(port, 1);
  Balancer balancer(Balance::hash, servers_);
  std::vector<Server*> without_last = all();
  without_last.pop_back();
  Random random(1);
  std::map<Server*, int> shares;
  for (int i = 0; i < 20'000; ++i) {
    uint64_t hash = random.next();
    Server* before = balancer.pick(all(), hash);
    ++shares[before];
    EXPECT_EQ(balancer.pick(all(), hash), before);
    Server* after = balancer.pick(without_last, hash);
    if (before != servers_.back().get()) {
      EXPECT_EQ(after, before);
    }
    EXPECT_NE(after, servers_.back().get());
  }
  for (auto& [server, share] : shares) {
    EXPECT_GT(share, 2800) << server->name();
    EXPECT_LT(share, 5400) << server->name();
  }
}

TEST_F(BalanceTest, AnEarlyChoiceByHashIsTheOneAmongAllUsable) {
  for (uint16_t port = 1; port <= 9; ++port) add(port, 1);
  Balancer balancer(Balance::hash, servers_);
  std::vector<Server*> usable = all();
  usable.erase(usable.begin() + 2, usable.begin() + 5);
  const auto is_usable = [&](Server& server) {
    return std::find(usable.begin(), usable.end(), &server) != usable.end();
  };
  Random random(1);
  int early = 0;
  for (int i = 0; i < 10'000; ++i) {
    const uint64_t hash = random.next();
    if (Server* server = balancer.pick_early(hash, is_usable)) {
      EXPECT_EQ(server, balancer.pick(usable, hash));
      ++early;
    }
  }
  EXPECT_GT(early, 9'900) << "a third of the ring in the way is not too much";
}

TEST_F(BalanceTest, AnEarlyPowerOfTwoIsFairAmongTheUsable) {
  for (uint16_t port = 1; port <= 6; ++port) add(port, 1);
  for (int i = 0; i < 100; ++i) servers_[5]->begin_request();
  Balancer balancer(Balance::p2c, servers_);
  std::map<Server*, int> picked;
  int asked = 0;
  for (int i = 0; i < 10'000; ++i) {
    Server* server = balancer.pick_early(0, [&](Server& one) {
      ++asked;
      return &one != servers_[0].get();
    });
    ++picked[server];
  }
  EXPECT_EQ(picked[servers_[0].get()], 0) << "not usable";
  EXPECT_EQ(picked[servers_[5].get()], 0) << "busy";
  for (int i = 1; i <= 4; ++i) EXPECT_NEAR(picked[servers_[i].get()], 2'500, 250) << i;
  EXPECT_LT(asked, 40'000);
}

TEST_F(BalanceTest, AnEarlyChoiceGivesUpWhenNoneIsUsableAndLeavesTurnsToWhoKnowsAll) {
  for (uint16_t port = 1; port <= 6; ++port) add(port, 1);
  for (Balance method : {Balance::p2c, Balance::hash}) {
    EXPECT_EQ(Balancer(method, servers_).pick_early(7, [](Server&) { return false; }), nullptr);
  }
  for (Balance method : {Balance::round_robin, Balance::least_conn}) {
    EXPECT_EQ(Balancer(method, servers_).pick_early(7, [](Server&) { return true; }), nullptr);
  }
}

TEST_F(BalanceTest, EjectionNeedsFailuresInARowAndGrows) {
  add(1, 1);
  config::Ejection rules;
  rules.failures = 3;
  TimePoint now{};
  now += std::chrono::hours(1);
  Server& server = *servers_[0];
  EXPECT_FALSE(server.note_failure(rules, now, true));
  EXPECT_FALSE(server.note_failure(rules, now, true));
  server.note_success(rules, now);
  EXPECT_FALSE(server.note_failure(rules, now, true));
  EXPECT_FALSE(server.note_failure(rules, now, true));
  EXPECT_TRUE(server.note_failure(rules, now, true));
  EXPECT_TRUE(server.ejected(now + rules.time - Millis(1)));
  EXPECT_FALSE(server.ejected(now + rules.time));
  now += rules.time;
  for (int i = 0; i < 3; ++i) server.note_failure(rules, now, true);
  EXPECT_TRUE(server.ejected(now + rules.time)) << "the second time lasts twice as long";
  EXPECT_FALSE(server.note_failure(rules, now + 3 * rules.time, false)) << "never the last one";
}

TEST_F(BalanceTest, AServerThatComesBackStartsSlowly) {
  add(1, 1);
  add(2, 1);
  const TimePoint now = TimePoint(std::chrono::hours(1));
  shm::set_server_recovered(*segment_, 2, now);
  Balancer balancer(Balance::round_robin, servers_);
  const auto second_of_1000 = [&](Millis after) {
    for (auto& server : servers_) server->update_share(now + after, Millis(10'000));
    int count = 0;
    for (int i = 0; i < 1000; ++i) count += balancer.pick(all(), 0) == servers_[1].get();
    return count;
  };
  EXPECT_NEAR(second_of_1000(Millis(0)), 91, 2) << "a tenth of the other's";
  EXPECT_NEAR(second_of_1000(Millis(5'000)), 333, 2) << "half";
  EXPECT_NEAR(second_of_1000(Millis(10'000)), 500, 2);
}

}  // namespace
}  // namespace banyan::upstream
