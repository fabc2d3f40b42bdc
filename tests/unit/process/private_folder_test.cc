#include "process/private_folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "support/temporary_folder.h"

namespace banyan::process {
namespace {

using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

mode_t mode_of(const std::string& path) {
  struct stat status {};
  return stat(path.c_str(), &status) == 0 ? status.st_mode & 0777 : 0;
}

TEST(PrivateFolderTest, WritesReadsAndRemoves) {
  testing::TemporaryFolder around;
  auto folder = PrivateFolder::open(around.file("own"));
  ASSERT_TRUE(folder.ok()) << folder.error().message;
  ASSERT_TRUE(folder->write("a", "one").ok());
  ASSERT_TRUE(folder->write("a", "two").ok());
  EXPECT_EQ(folder->read("a", 3).value(), "two");
  EXPECT_THAT(folder->read("a", 2).error().message, HasSubstr("too large"));
  EXPECT_THAT(folder->read("b", 2).error().message, HasSubstr("own/b: No such file"));
  EXPECT_THAT(folder->names(), UnorderedElementsAre("a", ".", ".."));
  EXPECT_EQ(mode_of(around.file("own")), 0700u);
  EXPECT_EQ(mode_of(around.file("own/a")), 0600u);
  folder->remove("a");
  EXPECT_THAT(folder->names(), UnorderedElementsAre(".", ".."));
}

TEST(PrivateFolderTest, TrustsNothingThatOthersMayHavePutThere) {
  testing::TemporaryFolder around;
  const std::string outside = around.write("outside", "untouched");
  std::filesystem::create_directory(around.file("open"));
  chmod(around.file("open").c_str(), 0777);
  EXPECT_THAT(PrivateFolder::open(around.file("open")).error().message, HasSubstr("others may write to it"));
  std::filesystem::create_symlink(around.path(), around.file("link"));
  EXPECT_FALSE(PrivateFolder::open(around.file("link")).ok());
  EXPECT_FALSE(PrivateFolder::open(outside).ok());
  auto folder = PrivateFolder::open(around.file("own"));
  ASSERT_TRUE(folder.ok());
  std::filesystem::create_symlink(outside, around.file("own/a"));
  std::filesystem::create_symlink(outside, around.file("own/b.new"));
  EXPECT_FALSE(folder->read("a", 100).ok());
  ASSERT_TRUE(folder->write("a", "new").ok());
  ASSERT_TRUE(folder->write("b", "new").ok());
  EXPECT_EQ(folder->read("a", 100).value(), "new");
  EXPECT_EQ(testing::read_file(around.file("outside")), "untouched");
}

}  // namespace
}  // namespace banyan::process
