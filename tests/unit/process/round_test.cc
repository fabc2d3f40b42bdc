#include "process/round.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace banyan::process {
namespace {

using Phase = Round::Phase;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(RoundTest, TheFirstIsAskedAloneThenTheOthers) {
  Round round({1, 2, 3});
  EXPECT_THAT(round.take_to_ask(), ElementsAre(1));
  EXPECT_THAT(round.take_to_ask(), IsEmpty());
  round.on_ready(1);
  EXPECT_THAT(round.take_to_ask(), ElementsAre(2, 3));
  EXPECT_THAT(round.take_to_ask(), IsEmpty());
  EXPECT_EQ(round.phase(), Phase::preparing);
}

TEST(RoundTest, AllReadyThenAllCommittedIsApplied) {
  Round round({1, 2, 3});
  round.take_to_ask();
  round.on_ready(1);
  round.take_to_ask();
  round.on_ready(3);
  EXPECT_THAT(round.missing(), ElementsAre(2));
  round.on_ready(2);
  EXPECT_EQ(round.phase(), Phase::committing);
  EXPECT_THAT(round.missing(), ElementsAre(1, 2, 3));
  round.on_committed(2);
  round.on_committed(1);
  EXPECT_EQ(round.phase(), Phase::committing);
  round.on_committed(3);
  EXPECT_EQ(round.phase(), Phase::applied);
  EXPECT_THAT(round.reasons(), IsEmpty());
}

TEST(RoundTest, OneRefusalIsEnoughAndItsReasonsAreLines) {
  Round round({1, 2, 3});
  round.take_to_ask();
  round.on_ready(1);
  round.take_to_ask();
  round.on_ready(2);
  round.on_refused(3, "worker 1", "a:1:1: one\n\na:2:1: two\na:1:1: one\n");
  EXPECT_EQ(round.phase(), Phase::refused);
  EXPECT_THAT(round.reasons(), ElementsAre("a:1:1: one", "a:2:1: two"));
  round.on_ready(3);
  EXPECT_EQ(round.phase(), Phase::refused);
}

TEST(RoundTest, ARefusalWithoutWordsNamesWhoRefused) {
  Round round({1});
  round.take_to_ask();
  round.on_refused(1, "controller", "");
  EXPECT_THAT(round.reasons(), ElementsAre(HasSubstr("controller")));
}

TEST(RoundTest, ADeathWhilePreparingRefuses) {
  Round round({1, 2});
  round.take_to_ask();
  round.on_death(1, "controller");
  EXPECT_EQ(round.phase(), Phase::refused);
  EXPECT_THAT(round.reasons(), ElementsAre(HasSubstr("controller died")));
  EXPECT_THAT(round.take_to_ask(), IsEmpty()) << "the others never see it";
}

TEST(RoundTest, ADeathBeforeItBeganIsNotTheFaultOfTheConfiguration) {
  Round round({1, 2, 3});
  round.take_to_ask();
  round.on_ready(1);
  round.take_to_ask();
  round.on_preparing(2);
  EXPECT_TRUE(round.occupies(2));
  EXPECT_FALSE(round.occupies(3)) << "it has not said that it begins";
  round.on_ready(2);
  EXPECT_FALSE(round.occupies(2));
  EXPECT_THAT(round.missing(), ElementsAre(3));
  round.on_death(3, "worker 1");
  EXPECT_EQ(round.phase(), Phase::committing);
  EXPECT_THAT(round.reasons(), IsEmpty());
}

TEST(RoundTest, ADeathWhilePreparingRefusesWhoeverItWas) {
  Round round({1, 2});
  round.take_to_ask();
  round.on_ready(1);
  round.take_to_ask();
  round.on_preparing(2);
  round.on_death(2, "worker 0");
  EXPECT_THAT(round.reasons(), ElementsAre(HasSubstr("worker 0 died")));
}

TEST(RoundTest, ADeathWhileCommittingCountsAsCommitted) {
  Round round({1, 2});
  round.take_to_ask();
  round.on_ready(1);
  round.take_to_ask();
  round.on_ready(2);
  round.on_committed(1);
  round.on_death(2, "worker 0");
  EXPECT_EQ(round.phase(), Phase::applied);
}

TEST(RoundTest, WhoTakesNoPartIsNotHeard) {
  Round round({1, 2});
  round.take_to_ask();
  round.on_death(7, "worker 5");
  round.on_refused(7, "worker 5", "no");
  round.on_ready(7);
  round.on_ready(2);
  EXPECT_EQ(round.phase(), Phase::preparing);
  round.on_ready(1);
  EXPECT_EQ(round.phase(), Phase::preparing) << "2 answered before it was asked";
}

TEST(RoundTest, TimeOutRefusesWhilePreparingAndGivesUpOnTheMissingWhileCommitting) {
  Round preparing({1});
  preparing.take_to_ask();
  preparing.on_time_out({"controller does not answer"});
  EXPECT_EQ(preparing.phase(), Phase::refused);
  EXPECT_THAT(preparing.reasons(), ElementsAre("controller does not answer"));

  Round committing({1, 2});
  committing.take_to_ask();
  committing.on_ready(1);
  committing.take_to_ask();
  committing.on_ready(2);
  committing.on_committed(2);
  EXPECT_THAT(committing.missing(), ElementsAre(1));
  committing.on_time_out({"worker 0 does not answer"});
  EXPECT_EQ(committing.phase(), Phase::applied);
}

TEST(RoundTest, ARoundOfNobodyIsApplied) { EXPECT_EQ(Round({}).phase(), Phase::applied); }

}  // namespace
}  // namespace banyan::process
