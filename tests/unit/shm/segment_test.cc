#include "shm/segment.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>

#include "shm/directory.h"

namespace banyan::shm {
namespace {

TEST(Segment, IsSeenByASecondMappingOfTheSameFile) {
  Result<Segment> first = Segment::create();
  ASSERT_TRUE(first.ok()) << first.error().message;
  first->layout().header.workers.store(7);
  Result<Segment> second = Segment::map(first->fd());
  ASSERT_TRUE(second.ok()) << second.error().message;
  EXPECT_NE(&first->layout(), &second->layout());
  EXPECT_EQ(second->layout().header.workers.load(), 7u);
}

TEST(Segment, IsSharedWithAForkedChild) {
  Result<Segment> segment = Segment::create();
  ASSERT_TRUE(segment.ok());
  const pid_t child = fork();
  if (child == 0) {
    segment->layout().processes[3].requests.store(42);
    _exit(0);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(segment->layout().processes[3].requests.load(), 42u);
}

TEST(Segment, UntouchedPagesCostNothing) {
  Result<Segment> segment = Segment::create();
  ASSERT_TRUE(segment.ok());
  struct stat status;
  ASSERT_EQ(fstat(segment->fd(), &status), 0);
  EXPECT_EQ(static_cast<size_t>(status.st_size), sizeof(Layout) + kTail);
  EXPECT_LE(status.st_blocks * 512, 64 * 1024);
}

TEST(Segment, RefusesWhatIsNotASegment) {
  const int fd = memfd_create("other", MFD_CLOEXEC);
  EXPECT_FALSE(Segment::map(fd).ok()) << "an empty file";
  ASSERT_EQ(ftruncate(fd, sizeof(Layout) + kTail), 0);
  Result<Segment> segment = Segment::map(fd);
  ASSERT_FALSE(segment.ok());
  EXPECT_EQ(segment.error().message, "not a shared segment of Banyan");
  close(fd);
}

TEST(Segment, RefusesAnotherLayoutAndSaysWhich) {
  Result<Segment> segment = Segment::create();
  ASSERT_TRUE(segment.ok());
  segment->layout().header.version = 99;
  Result<Segment> again = Segment::map(segment->fd());
  ASSERT_FALSE(again.ok());
  EXPECT_NE(again.error().message.find("layout 99"), std::string::npos) << again.error().message;
}

TEST(Segment, CannotBeCutShort) {
  Result<Segment> segment = Segment::create();
  ASSERT_TRUE(segment.ok());
  EXPECT_NE(ftruncate(segment->fd(), 4096), 0);
}

class DirectoryTest : public testing::Test {
 protected:
  Segment segment_ = Segment::create().value();
};

TEST_F(DirectoryTest, GivesEachNameItsNumberOnce) {
  Directory directory(segment_);
  EXPECT_EQ(directory.add(Kind::route, "/a").value(), 1u);
  EXPECT_EQ(directory.add(Kind::route, "/b").value(), 2u);
  EXPECT_EQ(directory.add(Kind::route, "/a").value(), 1u);
  EXPECT_EQ(directory.add(Kind::rollout, "/a").value(), 1u) << "kinds count apart";
  EXPECT_EQ(directory.count(Kind::route), 2u);
  EXPECT_EQ(directory.name(Kind::route, 2), "/b");
  EXPECT_EQ(directory.name(Kind::route, 0), "");
  EXPECT_EQ(directory.name(Kind::route, 3), "");
}

TEST_F(DirectoryTest, ReadersSeeNamesAddedLater) {
  Directory writer(segment_);
  Directory reader(segment_);
  EXPECT_EQ(reader.find(Kind::upstream, "node"), 0u);
  ASSERT_TRUE(writer.add(Kind::upstream, "node").ok());
  EXPECT_EQ(reader.find(Kind::upstream, "node"), 1u);
  ASSERT_TRUE(writer.add(Kind::upstream, "store").ok());
  EXPECT_EQ(reader.find(Kind::upstream, "store"), 2u);
  EXPECT_EQ(reader.find(Kind::upstream, "other"), 0u);
}

TEST_F(DirectoryTest, AWriterStartedAnewKeepsTheNumbers) {
  ASSERT_TRUE(Directory(segment_).add(Kind::handler, "a").ok());
  Directory again(segment_);
  EXPECT_EQ(again.add(Kind::handler, "b").value(), 2u);
  EXPECT_EQ(again.add(Kind::handler, "a").value(), 1u);
}

TEST_F(DirectoryTest, SaysWhenAKindIsFull) {
  Directory directory(segment_);
  for (int i = 0; i < 255; ++i) ASSERT_TRUE(directory.add(Kind::script, std::to_string(i)).ok());
  Result<uint32_t> full = directory.add(Kind::script, "one more");
  ASSERT_FALSE(full.ok());
  EXPECT_NE(full.error().message.find("255 different script names"), std::string::npos)
      << full.error().message;
  EXPECT_EQ(directory.add(Kind::script, "254").value(), 255u) << "known names are still found";
  EXPECT_TRUE(directory.add(Kind::route, "/").ok());
}

TEST_F(DirectoryTest, SaysWhenTheTextIsFull) {
  Directory directory(segment_);
  std::string name(Directory::kLongestName, 'x');
  Result<uint32_t> added = 0u;
  for (int i = 0; i < 3000 && added.ok(); ++i) {
    name.replace(0, 8, std::to_string(10000000 + i));
    added = directory.add(Kind::route, name);
  }
  ASSERT_FALSE(added.ok());
  EXPECT_NE(added.error().message.find("bytes"), std::string::npos) << added.error().message;
}

TEST_F(DirectoryTest, RefusesNamesThatAreNone) {
  Directory directory(segment_);
  EXPECT_FALSE(directory.add(Kind::route, "").ok());
  EXPECT_FALSE(directory.add(Kind::route, std::string(Directory::kLongestName + 1, 'x')).ok());
}

TEST(ServerName, JoinsAndSplits) {
  const std::string name = server_name("node", "127.0.0.1:3000");
  EXPECT_EQ(split_server_name(name).first, "node");
  EXPECT_EQ(split_server_name(name).second, "127.0.0.1:3000");
  EXPECT_NE(server_name("a", "b:1"), server_name("ab", ":1"));
}

}  // namespace
}  // namespace banyan::shm
