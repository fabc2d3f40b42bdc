// Schedules on a real disk: every step is written down before it counts, and goes on after any restart.

#include "control/rollout_driver.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "base/log.h"
#include "config/date_time.h"
#include "rollout/decide.h"
#include "support/manual_clock.h"
#include "support/temporary_folder.h"

namespace banyan::control {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;  // NOLINT
using rollout::Phase;
using rollout::Verdict;

using testing::read_file;

class FakeGates final : public GateSource {
 public:
  rollout::Judgement judge(const config::Rollout&, WallTime moved) override {
    moved_ = moved;
    rollout::Judgement judgement;
    judgement.verdict = verdict_;
    judgement.reason = "because";
    judgement.native.requests = 512;
    return judgement;
  }
  Verdict verdict_ = Verdict::pass;
  WallTime moved_{};
};

config::Rollout three_steps() {
  config::Rollout rollout;
  rollout.name = "content";
  rollout.legacy = {config::Target::Kind::upstream, "node"};
  rollout.native = {config::Target::Kind::handler, "fast"};
  rollout.steps = {{1000, 24h * 7}, {5000, 24h * 7}, {10000}};
  rollout.soak = 24h * 7;
  rollout.gate.emplace();
  return rollout;
}

class RolloutDriverTest : public ::testing::Test {
 protected:
  RolloutDriverTest() {
    log::set_level(log::Level::error);
    restart();
  }
  ~RolloutDriverTest() override { log::set_level(log::Level::info); }

  // As after the death of everything: shared memory is gone.
  void restart() {
    driver_.reset();
    book_.reset();
    segment_ = shm::Segment::create().value();
    directory_ = shm::Directory(segment_);
    EXPECT_TRUE(directory_.add(shm::Kind::rollout, "content").ok());
    book_ = RolloutBook::open(folder_.path(), segment_, directory_, clock_);
    book_->adopt({rollout_});
    driver_.emplace(*book_, gates_, clock_);
    driver_->tick();
  }
  void pass_time(Millis time, Millis every = 1h) {
    for (Millis passed{}; passed < time; passed += every) {
      clock_.advance(every);
      driver_->tick();
    }
  }
  Result<RolloutView> order(Verb verb, uint32_t percent = 0) {
    return book_->carry_out({"content", verb, percent, "anna", "a test", false});
  }
  uint32_t worker_percent() {
    rollout::Plan plan;
    return rollout::effective_percent(
        plan, rollout::state_cell(segment_, directory_.find(shm::Kind::rollout, "content")).read());
  }
  Phase phase() { return book_->find("content")->phase(); }
  fs::path path(const std::string& name) { return folder_.file(name); }

  testing::TemporaryFolder folder_;
  config::Rollout rollout_ = three_steps();
  testing::ManualClock clock_{config::parse_date_time("2026-03-02T00:00:00Z").value()};
  FakeGates gates_;
  shm::Segment segment_ = shm::Segment::create().value();
  shm::Directory directory_{segment_};
  std::unique_ptr<RolloutBook> book_;
  std::optional<RolloutDriver> driver_;
};

TEST_F(RolloutDriverTest, WeeksGoOnOverRestarts) {
  EXPECT_EQ(worker_percent(), 1000u) << "the first step is taken at once";
  for (int day = 0; day < 21; ++day) {
    EXPECT_EQ(worker_percent(), day < 7 ? 1000u : day < 14 ? 5000u : 10000u) << day;
    EXPECT_EQ(gates_.moved_, clock_.wall() - day % 7 * 24h) << day;
    pass_time(11h);
    restart();
    pass_time(13h);
  }
  EXPECT_EQ(phase(), Phase::done);
  std::vector<std::string> story;
  for (const JournalEntry& entry : book_->history(100)) {
    EXPECT_EQ(entry.who, "schedule");
    story.push_back(entry.verb + " " + std::string(rollout::phase_name(entry.new_phase)) + " " +
                    entry.verdict);
  }
  const std::vector<std::string> expected = {"finish done pass", "advance soaking pass",
                                             "advance holding pass", "advance holding ", "begin waiting "};
  EXPECT_EQ(story, expected);
}

TEST_F(RolloutDriverTest, TheJournalSaysWhatAVerdictRestsOn) {
  pass_time(24h);
  gates_.verdict_ = Verdict::fail;
  pass_time(1h);
  EXPECT_EQ(worker_percent(), 0u);
  EXPECT_EQ(phase(), Phase::rolled_back);
  const JournalEntry entry = book_->history(1)[0];
  EXPECT_EQ(entry.verb, "rollback");
  EXPECT_EQ(entry.old_percent, 1000u);
  EXPECT_EQ(entry.new_percent, 0u);
  EXPECT_EQ(entry.old_phase, Phase::holding);
  EXPECT_EQ(entry.verdict, "fail");
  EXPECT_EQ(entry.why, "because");
  const std::string journal = read_file(path("journal.jsonl"));
  EXPECT_NE(journal.find(R"("verdict":"fail","numbers":{)"), std::string::npos) << journal;
  EXPECT_NE(journal.find(R"("native_requests":512)"), std::string::npos) << journal;
  restart();
  EXPECT_EQ(phase(), Phase::rolled_back);
  const JournalEntry again = book_->history(1)[0];
  EXPECT_EQ(journal_line(again), journal_line(entry));
  EXPECT_TRUE(order(Verb::resume).ok());
}

TEST_F(RolloutDriverTest, OrdersAndScheduleAreOneStory) {
  ASSERT_TRUE(order(Verb::pause).ok());
  restart();
  pass_time(24h * 30);
  EXPECT_EQ(worker_percent(), 1000u);
  EXPECT_EQ(order(Verb::pause).error().status, 409);
  ASSERT_TRUE(order(Verb::step).ok());
  EXPECT_EQ(worker_percent(), 5000u);
  ASSERT_TRUE(order(Verb::resume).ok());
  ASSERT_TRUE(order(Verb::abort).ok());
  EXPECT_EQ(worker_percent(), 0u);
  EXPECT_EQ(order(Verb::step).error().status, 409);
  ASSERT_TRUE(order(Verb::reset).ok());
  driver_->tick();
  EXPECT_EQ(worker_percent(), 1000u) << "the schedule begins anew";
  EXPECT_EQ(phase(), Phase::holding);
}

TEST_F(RolloutDriverTest, AGradualRollbackGoesOnAfterARestart) {
  rollout_.rollback_rate = config::Rate{10, 1min};
  restart();
  pass_time(24h * 8);
  gates_.verdict_ = Verdict::fail;
  pass_time(1s, 1s);
  EXPECT_EQ(worker_percent(), 5000u);
  pass_time(60s, 1s);
  EXPECT_NEAR(worker_percent(), 4000.0, 20.0);
  const size_t entries = book_->history(100).size();
  restart();
  EXPECT_EQ(book_->find("content")->live.progress.target, 0u);
  pass_time(60s, 1s);
  EXPECT_NEAR(worker_percent(), 3000.0, 20.0);
  EXPECT_EQ(book_->history(100).size(), entries) << "seconds are no entries";
  pass_time(200s, 1s);
  EXPECT_EQ(worker_percent(), 0u);
  EXPECT_EQ(book_->history(1)[0].verb, "arrive");
}

// What the disk does not take is not done; but traffic leaves a failing native, written down or not.
TEST_F(RolloutDriverTest, AFullDiskStopsStepsButNoRollback) {
  signal(SIGXFSZ, SIG_IGN);
  rlimit before;
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  const rlimit full{10, before.rlim_max};
  const std::string file = read_file(path("rollouts.json"));
  const std::string journal = read_file(path("journal.jsonl"));

  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &full), 0);
  pass_time(24h * 8);
  EXPECT_EQ(worker_percent(), 1000u);
  EXPECT_EQ(phase(), Phase::holding);
  gates_.verdict_ = Verdict::fail;
  pass_time(1h);
  EXPECT_EQ(worker_percent(), 0u);
  EXPECT_EQ(book_->find("content")->percent, 0u);
  EXPECT_EQ(phase(), Phase::rolled_back);
  EXPECT_FALSE(order(Verb::set, 100).ok());
  gates_.verdict_ = Verdict::pass;
  pass_time(24h);
  EXPECT_EQ(worker_percent(), 0u) << "and does not come back";
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  EXPECT_EQ(read_file(path("rollouts.json")), file);
  EXPECT_EQ(read_file(path("journal.jsonl")), journal);

  pass_time(1h);
  EXPECT_EQ(book_->history(1)[0].verb, "rollback") << "written as soon as it can be";
  EXPECT_EQ(book_->history(1)[0].verdict, "fail");
  restart();
  EXPECT_EQ(phase(), Phase::rolled_back);
}

TEST_F(RolloutDriverTest, StateOfTheVersionBeforeSchedulesIsRead) {
  folder_.write("rollouts.json", R"({"version": 1, "sequence": 9, "rollouts": {"content":
      {"phase": "set", "percent": 25, "sequence": 9, "changed": "2026-02-21T01:23:28.123Z"}}})");
  restart();
  pass_time(24h);
  EXPECT_EQ(worker_percent(), 2500u);
  EXPECT_EQ(phase(), Phase::set) << "an order is not taken over by a schedule";
  ASSERT_TRUE(order(Verb::resume).ok());
  pass_time(24h * 7);
  EXPECT_EQ(worker_percent(), 5000u);
}

TEST_F(RolloutDriverTest, WhatNoVersionWritesIsDamage) {
  const std::string good = read_file(path("rollouts.json"));
  const std::pair<std::string, std::string> changes[] = {
      {"\"taken\": 1", "\"taken\": -1"},
      {"\"taken\": 1", "\"taken\": 99999999999"},
      {"\"held_ms\": 0", "\"held_ms\": 18446744073709551615"},
      {"\"target\": 10", "\"target\": 11"},
      {"\"target\": 10", "\"goal\": 10"},
      {"\"moved\": \"2026-", "\"moved\": \"3026-13-"},
      {"\"phase\": \"holding\"", "\"phase\": \"file\""},
      {"\"version\": 2", "\"version\": 1"},
      {"\"version\": 2", "\"version\": 3"},
  };
  for (const auto& [from, to] : changes) {
    std::string text = good;
    ASSERT_NE(text.find(from), std::string::npos) << from << text;
    text.replace(text.find(from), from.size(), to);
    folder_.write("rollouts.json", text);
    restart();
    EXPECT_EQ(worker_percent(), 0u) << to;
    EXPECT_EQ(phase(), Phase::damaged) << to;
    pass_time(24h);
    EXPECT_EQ(worker_percent(), 0u) << "until somebody says otherwise";
  }
}

// A schedule in a hurry, killed at any instruction: what workers saw is what the disk says, or one step less.
TEST_F(RolloutDriverTest, AKilledControllerNeverGoesBackOrSkips) {
  rollout_.steps.clear();
  for (uint32_t percent = 100; percent <= 10000; percent += 100) rollout_.steps.push_back({percent, 1s});
  rollout_.steps.back().hold = 0ms;
  fs::remove(path("rollouts.json"));
  uint32_t seen = 0;
  restart();
  for (int round = 0; round < 15 && seen < 10000; ++round) {
    const pid_t controller = fork();
    if (controller == 0) {
      for (;;) pass_time(1s, 1s);
    }
    const uint32_t begin = worker_percent();
    while (worker_percent() < std::min(begin + 300u + 10 * round, 10000u)) sched_yield();
    kill(controller, SIGKILL);
    ASSERT_EQ(waitpid(controller, nullptr, 0), controller);
    const uint32_t at_death = worker_percent();
    EXPECT_GE(at_death, seen);
    clock_.advance(1h);
    book_.reset();
    const StateFile file = read_state_file(path("rollouts.json"));
    ASSERT_EQ(file.condition, StateFile::Condition::good);
    const uint32_t kept = file.values.rollouts.at("content").progress.percent;
    EXPECT_TRUE(kept == at_death || kept == at_death + 100) << kept << " after " << at_death;
    seen = kept;
    restart();
    EXPECT_TRUE(worker_percent() == kept || worker_percent() == kept + 100);
  }
}

}  // namespace
}  // namespace banyan::control
