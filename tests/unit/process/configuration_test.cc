#include "process/configuration.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>

#include "configurations.h"
#include "process/outcome.h"

namespace banyan::process {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(ConfigurationTest, ChildrenReadWhatTheMasterRead) {
  ConfigurationFolder folder;
  auto written = folder.read(kOneRoute);
  auto memory = to_memfd(written->sources);
  ASSERT_TRUE(memory.ok()) << memory.error().message;
  folder.write("banyan.toml", "nonsense");  // nobody looks at the file again
  auto read = from_memfd(*memory, 7);
  ASSERT_TRUE(read.ok()) << read.error().message;
  EXPECT_EQ((*read)->number, 7u);
  EXPECT_EQ((*read)->config, written->config);
  EXPECT_EQ((*read)->sources, written->sources);
}

TEST(ConfigurationTest, NobodyCanChangeTheBytes) {
  ConfigurationFolder folder;
  auto memory = to_memfd(folder.read(kOneRoute)->sources);
  ASSERT_TRUE(memory.ok());
  EXPECT_EQ(pwrite(memory->get(), "x", 1, 0), -1);
  EXPECT_EQ(ftruncate(memory->get(), 0), -1);
}

TEST(ConfigurationTest, ForeignBytesAreRefused) {
  Fd memory(memfd_create("test", MFD_CLOEXEC));
  EXPECT_FALSE(from_memfd(memory, 1).ok()) << "nothing at all";
  ASSERT_EQ(write(memory.get(), "abc", 3), 3);
  EXPECT_FALSE(from_memfd(memory, 1).ok());
}

TEST(OutcomeTest, ComesBackFromItsText) {
  Outcome refused{.done = false, .lines = {"a:1:1: no", "b"}};
  Outcome back = Outcome::parse(refused.text());
  EXPECT_FALSE(back.done);
  EXPECT_EQ(back.lines, refused.lines);
  EXPECT_TRUE(Outcome::parse(Outcome{.done = true, .lines = {}}.text()).done);
}

TEST(OutcomeTest, AnyTextGivesAnAnswer) {
  EXPECT_FALSE(Outcome::parse("").done);
  EXPECT_THAT(Outcome::parse("").lines, IsEmpty());
  EXPECT_FALSE(Outcome::parse("nonsense").done);
  EXPECT_THAT(Outcome::parse("done\n\n\nx").lines, ElementsAre("x"));
}

}  // namespace
}  // namespace banyan::process
