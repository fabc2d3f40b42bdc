#include "control/rollout_book.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>

#include "base/log.h"
#include "control/texts.h"
#include "rollout/decide.h"
#include "support/manual_clock.h"
#include "support/temporary_folder.h"

namespace banyan::control {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using rollout::Phase;

using testing::read_file;

config::Rollout make_rollout(std::string name, uint32_t percent) {
  config::Rollout rollout;
  rollout.name = std::move(name);
  rollout.percent = percent;
  rollout.legacy = {config::Target::Kind::upstream, "node"};
  rollout.native = {config::Target::Kind::handler, "fast"};
  return rollout;
}

class RolloutBookTest : public ::testing::Test {
 protected:
  RolloutBookTest() {
    for (const char* name : {"content", "checkout"}) {
      EXPECT_TRUE(directory_.add(shm::Kind::rollout, name).ok());
    }
    open();
  }

  // As after a restart of the controller.
  void open() {
    book_ = RolloutBook::open(folder_.path(), segment_, directory_, clock_);
    book_->adopt({make_rollout("content", 1000), make_rollout("checkout", 0)});
  }
  // As after a restart of everything: shared memory is gone.
  void restart() {
    book_.reset();
    segment_ = shm::Segment::create().value();
    directory_ = shm::Directory(segment_);
    for (const char* name : {"content", "checkout"})
      EXPECT_TRUE(directory_.add(shm::Kind::rollout, name).ok());
    open();
  }
  Result<RolloutView> order(Verb verb, uint32_t percent = 0, std::string name = "content") {
    clock_.advance(1s);
    return book_->carry_out({std::move(name), verb, percent, "anna", "a test"});
  }
  // What a worker goes by.
  uint32_t worker_percent(std::string_view name = "content", uint32_t configured = 1000) {
    rollout::Plan plan;
    plan.percent = configured;
    return rollout::effective_percent(plan, cell(name).read());
  }
  rollout::StateCell& cell(std::string_view name) {
    return rollout::state_cell(segment_, directory_.find(shm::Kind::rollout, name));
  }
  fs::path path(const std::string& name) { return folder_.file(name); }

  testing::TemporaryFolder folder_;
  testing::ManualClock clock_;
  shm::Segment segment_ = shm::Segment::create().value();
  shm::Directory directory_{segment_};
  std::unique_ptr<RolloutBook> book_;
};

TEST_F(RolloutBookTest, BeginsWithTheConfiguration) {
  EXPECT_EQ(worker_percent(), 1000u);
  const RolloutView view = book_->find("content").value();
  EXPECT_EQ(view.percent, 1000u);
  EXPECT_FALSE(view.live.live());
  EXPECT_EQ(view.legacy, "upstream.node");
  EXPECT_EQ(view.native, "handler.fast");
  EXPECT_EQ(book_->list().size(), 2u);
  EXPECT_FALSE(book_->find("none"));
  EXPECT_FALSE(fs::exists(path("rollouts.json"))) << "nothing was ordered";
}

TEST_F(RolloutBookTest, OrdersReachTheWorkersTheFileAndTheJournal) {
  ASSERT_TRUE(order(Verb::set, 3725).ok());
  EXPECT_EQ(worker_percent(), 3725u);
  EXPECT_NE(read_file(path("rollouts.json")).find("\"percent\": 37.25"), std::string::npos)
      << read_file(path("rollouts.json"));
  ASSERT_TRUE(order(Verb::abort).ok());
  EXPECT_EQ(worker_percent(), 0u);
  EXPECT_EQ(cell("content").read().phase, Phase::aborted);
  ASSERT_TRUE(order(Verb::promote).ok());
  EXPECT_EQ(worker_percent(), 10000u);
  ASSERT_TRUE(order(Verb::reset).ok());
  EXPECT_EQ(worker_percent(), 1000u);
  EXPECT_FALSE(cell("content").read().live());

  const auto history = book_->history(10);
  ASSERT_EQ(history.size(), 4u);
  EXPECT_EQ(history[0].verb, "reset");
  EXPECT_EQ(history[0].old_percent, 10000u);
  EXPECT_EQ(history[0].new_percent, 1000u);
  EXPECT_EQ(history[3].verb, "set");
  EXPECT_EQ(history[3].new_percent, 3725u);
  EXPECT_EQ(history[3].who, "anna");
  EXPECT_EQ(history[3].why, "a test");
  EXPECT_EQ(history[3].sequence + 3, history[0].sequence);
  EXPECT_EQ(book_->history(1).size(), 1u);
  EXPECT_TRUE(book_->history(10, "checkout").empty());
}

TEST_F(RolloutBookTest, TheLiveValueSurvivesEverythingButReset) {
  ASSERT_TRUE(order(Verb::set, 3725).ok());
  restart();
  EXPECT_EQ(worker_percent(), 3725u);
  EXPECT_EQ(book_->find("content")->live.who, "anna");
  EXPECT_EQ(book_->history(10).size(), 1u);
  ASSERT_TRUE(order(Verb::reset).ok());
  restart();
  EXPECT_EQ(worker_percent(), 1000u);
  EXPECT_EQ(book_->history(10).size(), 2u);
}

TEST_F(RolloutBookTest, TheLiveValueSurvivesAReloadThatForgetsTheRollout) {
  ASSERT_TRUE(order(Verb::set, 3725).ok());
  book_->adopt({make_rollout("checkout", 0)});
  EXPECT_FALSE(book_->find("content"));
  EXPECT_EQ(order(Verb::set, 1).error().status, 404);
  ASSERT_TRUE(order(Verb::set, 100, "checkout").ok()) << "must not drop the other's value";
  restart();
  EXPECT_EQ(worker_percent(), 3725u);
  EXPECT_EQ(worker_percent("checkout"), 100u);
}

TEST_F(RolloutBookTest, RefusesOrdersThatMakeNoSense) {
  EXPECT_EQ(order(Verb::set, 10, "none").error().status, 404);
  EXPECT_EQ(order(Verb::set, 10001).error().status, 422);
  EXPECT_EQ(book_->carry_out({"content", Verb::abort, 0, "anna", std::string(2000, 'x')}).error().status,
            422);
  EXPECT_EQ(book_->carry_out({"content", Verb::abort, 0, "anna", "a\nforged line"}).error().status, 422);
  EXPECT_EQ(worker_percent(), 1000u);
  EXPECT_TRUE(book_->history(10).empty());
}

// A disk that takes no byte more: neither file, nor journal, nor workers change.
TEST_F(RolloutBookTest, AFullDiskRefusesAndChangesNothing) {
  ASSERT_TRUE(order(Verb::set, 3725).ok());
  const std::string file = read_file(path("rollouts.json"));
  const std::string journal = read_file(path("journal.jsonl"));
  signal(SIGXFSZ, SIG_IGN);
  rlimit before;
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  // The first limit refuses the state file, the last one only the journal, which is longer by then.
  for (const rlim_t limit : {rlim_t{0}, rlim_t{10}, rlim_t{journal.size() + 20}}) {
    const rlimit full{limit, before.rlim_max};
    ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &full), 0);
    Result<RolloutView> refused = order(Verb::promote);
    ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
    ASSERT_FALSE(refused.ok()) << limit;
    EXPECT_EQ(refused.error().status, 500);
    EXPECT_NE(refused.error().message.find("nothing was changed"), std::string::npos)
        << refused.error().message;
    EXPECT_EQ(read_file(path("rollouts.json")), file);
    EXPECT_EQ(read_file(path("journal.jsonl")), journal);
    EXPECT_FALSE(fs::exists(path("rollouts.json.new")));
    EXPECT_EQ(worker_percent(), 3725u);
    EXPECT_EQ(book_->history(10).size(), 1u);
  }
  ASSERT_TRUE(order(Verb::promote).ok()) << "and goes on when there is room again";
  EXPECT_EQ(worker_percent(), 10000u);
}

TEST_F(RolloutBookTest, AFileThatCannotBeReplacedRefuses) {
  fs::create_directory(path("rollouts.json"));
  folder_.write("rollouts.json/in the way", "");
  Result<RolloutView> refused = order(Verb::promote);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(worker_percent(), 1000u);
  EXPECT_EQ(read_file(path("journal.jsonl")), "") << "the line was taken back";
  EXPECT_TRUE(book_->history(10).empty());
}

TEST_F(RolloutBookTest, ADamagedFileMeansLegacyAndIsKept) {
  const char* const damages[] = {
      "",
      "{\"version\": 1, \"seq",
      "not json",
      "[]",
      "{}",
      R"({"version": 3, "sequence": 1, "rollouts": {}})",
      R"({"version": 1, "sequence": -1, "rollouts": {}})",
      R"({"version": 1, "sequence": 1, "rollouts": []})",
  };
  for (const char* damage : damages) {
    for (const auto& entry : fs::directory_iterator(folder_.path())) fs::remove_all(entry);
    folder_.write("rollouts.json", damage);
    restart();
    EXPECT_EQ(worker_percent(), 0u) << damage;
    EXPECT_EQ(cell("content").read().phase, Phase::damaged);
    bool kept = false;
    for (const auto& entry : fs::directory_iterator(folder_.path())) {
      kept |= entry.path().filename().string().starts_with("rollouts.json.damaged-") &&
              read_file(entry.path()) == damage;
    }
    EXPECT_TRUE(kept) << damage;
    restart();
    EXPECT_EQ(worker_percent(), 0u) << "stays there: " << damage;
    ASSERT_TRUE(order(Verb::reset).ok());
    EXPECT_EQ(worker_percent(), 1000u);
    restart();
    EXPECT_EQ(worker_percent(), 1000u);
  }
}

TEST_F(RolloutBookTest, OneDamagedRolloutLeavesTheOthersAlone) {
  const char* const damages[] = {
      R"({"phase": "set", "percent": 101, "sequence": 1, "changed": "2026-11-21T01:23:28.123Z"})",
      R"({"phase": "set", "percent": 1.234, "sequence": 1, "changed": "2026-11-21T01:23:28.123Z"})",
      R"({"phase": "set", "percent": "1", "sequence": 1, "changed": "2026-11-21T01:23:28.123Z"})",
      R"({"phase": "later", "percent": 1, "sequence": 1, "changed": "2026-11-21T01:23:28.123Z"})",
      R"({"phase": "set", "percent": 1, "sequence": 1, "changed": "2026-13-21T01:23:28.123Z"})",
      R"({"phase": "set", "percent": 1})",
      R"(7)",
  };
  for (const char* damage : damages) {
    folder_.write("rollouts.json", std::string(R"({"version": 1, "sequence": 9, "rollouts": {"checkout":
        {"phase": "set", "percent": 50, "sequence": 1, "changed": "2026-11-21T01:23:28.123Z"}, "content": )") +
                                       damage + "}}");
    restart();
    EXPECT_EQ(worker_percent(), 0u) << damage;
    EXPECT_EQ(worker_percent("checkout"), 5000u) << damage;
    restart();
    EXPECT_EQ(worker_percent(), 0u) << damage;
    EXPECT_EQ(worker_percent("checkout"), 5000u) << damage;
  }
}

// The process died after the line, before the state file: nobody was told that it was done.
TEST_F(RolloutBookTest, AnOrderThatWasNotAcknowledgedLeavesTheJournal) {
  ASSERT_TRUE(order(Verb::set, 3725).ok());
  const std::string file = read_file(path("rollouts.json"));
  const std::string journal = read_file(path("journal.jsonl"));
  ASSERT_TRUE(order(Verb::promote).ok());
  folder_.write("rollouts.json", file);
  folder_.write("rollouts.json.new", "left over");
  restart();
  EXPECT_EQ(worker_percent(), 3725u);
  EXPECT_EQ(read_file(path("journal.jsonl")), journal);
  EXPECT_FALSE(fs::exists(path("rollouts.json.new")));
  ASSERT_TRUE(order(Verb::abort).ok());
  EXPECT_EQ(book_->history(1)[0].sequence, 2u);
}

// A controller that is killed at any instruction: what it had acknowledged stays, and nothing is half done.
TEST_F(RolloutBookTest, KillingTheControllerLosesNothingAcknowledged) {
  log::set_level(log::Level::error);
  for (int round = 0; round < 20; ++round) {
    int acknowledged[2];
    ASSERT_EQ(pipe(acknowledged), 0);
    const pid_t controller = fork();
    if (controller == 0) {
      for (uint32_t percent = 1;; percent = percent % 10000 + 1) {
        if (!order(Verb::set, percent).ok()) _exit(1);
        if (write(acknowledged[1], &percent, sizeof(percent)) < 0) _exit(1);
      }
    }
    close(acknowledged[1]);
    uint32_t last = 0;
    for (int i = 0; i < 5 + round; ++i) ASSERT_EQ(::read(acknowledged[0], &last, sizeof(last)), 4);
    kill(controller, SIGKILL);
    ASSERT_EQ(waitpid(controller, nullptr, 0), controller);
    while (::read(acknowledged[0], &last, sizeof(last)) == 4) {
    }
    close(acknowledged[0]);
    const uint32_t seen = worker_percent();
    EXPECT_TRUE(seen == last || seen == last + 1) << seen << " after " << last;
    restart();
    const uint32_t kept = worker_percent();
    EXPECT_TRUE(kept == last || kept == last + 1) << kept << " after " << last;
    EXPECT_GE(kept, seen);
    const auto history = book_->history(1000);
    EXPECT_EQ(history[0].new_percent, kept);
    EXPECT_EQ(history[0].sequence, cell("content").read().sequence);
  }
  log::set_level(log::Level::info);
}

TEST_F(RolloutBookTest, ATornOrForeignLineInTheJournalDoesNoHarm) {
  ASSERT_TRUE(order(Verb::set, 3725).ok());
  const std::string good = read_file(path("journal.jsonl"));
  folder_.write("journal.jsonl", "a note of somebody's\n" + good + "{\"sequence\":2,\"ti");
  restart();
  EXPECT_EQ(book_->history(10).size(), 1u);
  EXPECT_EQ(read_file(path("journal.jsonl")), "a note of somebody's\n" + good);
}

TEST_F(RolloutBookTest, AMissingStateFileKeepsTheJournal) {
  ASSERT_TRUE(order(Verb::set, 3725).ok());
  fs::remove(path("rollouts.json"));
  restart();
  EXPECT_EQ(worker_percent(), 1000u);
  EXPECT_EQ(book_->history(10).size(), 1u);
  ASSERT_TRUE(order(Verb::abort).ok());
  EXPECT_EQ(book_->history(1)[0].sequence, 2u) << "numbers are never used twice";
}

TEST_F(RolloutBookTest, ALargeJournalBeginsAnew) {
  ASSERT_TRUE(order(Verb::set, 3725).ok());
  folder_.write("journal.jsonl", std::string(Journal::kLargestFile, 'x') + "\n");
  restart();
  ASSERT_TRUE(order(Verb::abort).ok());
  EXPECT_TRUE(fs::exists(path("journal.jsonl.1")));
  EXPECT_LT(fs::file_size(path("journal.jsonl")), 1000u);
}

TEST_F(RolloutBookTest, DifferencesAreToldWithoutChangingAnything) {
  EXPECT_TRUE(live_differences(folder_.path(), {make_rollout("content", 1000)}).empty());
  ASSERT_TRUE(order(Verb::set, 3725).ok());
  const auto lines =
      live_differences(folder_.path(), {make_rollout("content", 2000), make_rollout("other", 1)});
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_NE(lines[0].find("37.25% is live"), std::string::npos) << lines[0];
  EXPECT_NE(lines[0].find("the configuration says 20%"), std::string::npos) << lines[0];
  EXPECT_TRUE(live_differences(folder_.path(), {make_rollout("content", 3725)}).empty());
  folder_.write("rollouts.json", "{");
  const auto damaged = live_differences(folder_.path(), {});
  ASSERT_EQ(damaged.size(), 1u);
  EXPECT_NE(damaged[0].find("is damaged (it is not JSON)"), std::string::npos) << damaged[0];
  fs::remove(path("rollouts.json"));
  fs::create_directory(path("rollouts.json"));
  const auto unreadable = live_differences(folder_.path(), {});
  ASSERT_EQ(unreadable.size(), 1u);
  EXPECT_TRUE(unreadable[0].starts_with("live percentages are not compared")) << unreadable[0];
  EXPECT_TRUE(live_differences("/nonexistent", {make_rollout("content", 0)}).empty());
}

TEST(Texts, PercentagesGoBothWays) {
  for (uint32_t hundredths = 0; hundredths <= 10000; ++hundredths) {
    uint32_t back = 1;
    ASSERT_TRUE(to_hundredths(std::stod(percent_text(hundredths)), back)) << hundredths;
    ASSERT_EQ(back, hundredths);
  }
  EXPECT_EQ(percent_text(1), "0.01");
  EXPECT_EQ(percent_text(3720), "37.2");
  uint32_t ignored = 0;
  for (double wrong : {-0.01, 100.01, 1.234, std::numeric_limits<double>::quiet_NaN()}) {
    EXPECT_FALSE(to_hundredths(wrong, ignored)) << wrong;
  }
}

TEST(Texts, TimesGoBothWays) {
  const WallTime time(1'763'000'000'007ms);
  EXPECT_EQ(time_text(time), "2025-11-13T02:13:20.007Z");
  WallTime back;
  ASSERT_TRUE(parse_time(time_text(time), back));
  EXPECT_EQ(back, time);
  for (const char* wrong : {"", "2025-11-13", "2025-11-13T02:13:20.007", "2025-02-30T02:13:20.007Z",
                            "2025-11-13T02:13:20.007Z ", "2025-11-13 02:13:20.007Z"}) {
    EXPECT_FALSE(parse_time(wrong, back)) << wrong;
  }
}

}  // namespace
}  // namespace banyan::control
