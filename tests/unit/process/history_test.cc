#include "process/history.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/temporary_folder.h"

namespace banyan::process {
namespace {

using ::testing::HasSubstr;
using State = KeptEntry::State;

config::Sources written(const std::string& text) {
  config::Sources sources;
  sources.main = "/etc/banyan.toml";
  sources.files["/etc/banyan.toml"] = {text, ""};
  return sources;
}

KeptEntry entry(uint32_t number, State state = State::applied, uint32_t fallback = 0) {
  KeptEntry made;
  made.number = number;
  made.how = Change::How::reload;
  made.who = "anna";
  made.why = "a \"line\"\nand more";
  made.state = state;
  made.fallback = fallback;
  return made;
}

class HistoryTest : public ::testing::Test {
 protected:
  testing::TemporaryFolder folder_;
};

TEST_F(HistoryTest, ComesBackWithEverything) {
  {
    History history(folder_.path());
    EXPECT_EQ(history.number_for(written("a")), 1u);
    ASSERT_TRUE(history.add(entry(1), written("a")).ok());
    ASSERT_TRUE(history.add(entry(4, State::unconfirmed, 1), written("b")).ok());
  }
  History history(folder_.path());
  ASSERT_EQ(history.entries().size(), 2u);
  EXPECT_EQ(history.newest()->why, "a \"line\"\nand more");
  EXPECT_EQ(history.newest()->fallback, 1u);
  EXPECT_EQ(history.text(1).value(), written("a"));
  EXPECT_EQ(history.number_for(written("b")), 4u) << "the same text is the same configuration";
  EXPECT_EQ(history.number_for(written("a")), 5u);
  EXPECT_THAT(history.text(2).error().message, HasSubstr("2 is not kept; there are 1 to 4"));
}

TEST_F(HistoryTest, KeepsTwentyAndTheWayBack) {
  History history(folder_.path());
  ASSERT_TRUE(history.add(entry(1), written("1")).ok());
  for (uint32_t number = 2; number <= 30; ++number) {
    ASSERT_TRUE(history.add(entry(number, State::unconfirmed, 1), written(std::to_string(number))).ok());
  }
  EXPECT_EQ(history.entries().size(), History::kMost);
  EXPECT_EQ(history.text(1).value(), written("1"));
  EXPECT_FALSE(history.text(2).ok());
  EXPECT_EQ(History(folder_.path()).entries().size(), History::kMost);
}

TEST_F(HistoryTest, WhatWasUnconfirmedIsSettledForGood) {
  {
    History history(folder_.path());
    ASSERT_TRUE(history.add(entry(1), written("a")).ok());
    ASSERT_TRUE(history.add(entry(2, State::unconfirmed, 1), written("b")).ok());
    ASSERT_TRUE(history.settle(State::confirmed).ok());
  }
  History history(folder_.path());
  EXPECT_EQ(history.find(1)->state, State::applied);
  EXPECT_EQ(history.find(2)->state, State::confirmed);
  EXPECT_EQ(history.text(2).value(), written("b"));
}

TEST_F(HistoryTest, AnyDamageIsOneEntryLess) {
  std::string whole;
  {
    History history(folder_.path());
    ASSERT_TRUE(history.add(entry(1), written("a")).ok());
    ASSERT_TRUE(history.add(entry(2), written("b")).ok());
    whole = testing::read_file(folder_.file("history/2.config"));
  }
  for (size_t size = 0; size < whole.size(); ++size) {
    folder_.write("history/2.config", whole.substr(0, size));
    History history(folder_.path());
    EXPECT_EQ(history.text(1).value(), written("a"));
    EXPECT_FALSE(history.text(2).ok()) << size;
    EXPECT_EQ(history.number_for(written("c")), 3u) << "a number is not used again";
  }
  folder_.write("history/3.config", whole);
  folder_.write("history/4.config.new", "half");
  folder_.write("history/x.config", whole);
  History history(folder_.path());
  EXPECT_EQ(history.find(3), nullptr) << "another number is in it";
  EXPECT_FALSE(std::filesystem::exists(folder_.file("history/4.config.new")));
}

TEST_F(HistoryTest, WithoutAFolderNothingIsKeptUntilThereIsOne) {
  folder_.write("history", "");
  History history(folder_.path());
  EXPECT_EQ(history.number_for(written("a")), 1u);
  EXPECT_THAT(history.add(entry(1), written("a")).error().message, HasSubstr("history"));
  EXPECT_FALSE(history.text(1).ok());
  EXPECT_TRUE(history.settle(State::confirmed).ok());
  std::filesystem::remove(folder_.file("history"));
  ASSERT_TRUE(history.add(entry(2), written("b")).ok());
  EXPECT_EQ(history.text(2).value(), written("b"));
}

}  // namespace
}  // namespace banyan::process
