#include "process/pid_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <fstream>

#include "support/temporary_folder.h"

namespace banyan::process {
namespace {

using ::testing::HasSubstr;

// A child that holds the pid file (or not) until it is told to end.
class OtherInstance {
 public:
  explicit OtherInstance(const std::string& path) {
    int up[2], down[2];
    CHECK(pipe(up) == 0 && pipe(down) == 0);
    pid_ = fork();
    if (pid_ == 0) {
      auto file = PidFile::create(path);
      char answer = file.ok() ? 'y' : 'n';
      CHECK(write(up[1], &answer, 1) == 1);
      close(down[1]);
      while (read(down[0], &answer, 1) > 0) {
      }
      _exit(0);
    }
    close(up[1]);
    close(down[0]);
    CHECK(read(up[0], &answer_, 1) == 1);
    close(up[0]);
    hold_ = Fd(down[1]);
  }
  ~OtherInstance() { kill(); }
  bool created() const { return answer_ == 'y'; }
  pid_t pid() const { return pid_; }
  void kill() {
    if (pid_ < 0) return;
    ::kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }

 private:
  pid_t pid_;
  char answer_ = 0;
  Fd hold_;
};

TEST(PidFileTest, TellsTheNumberOfTheLivingProcess) {
  testing::TemporaryFolder folder;
  OtherInstance other(folder.file("banyan.pid"));
  ASSERT_TRUE(other.created());
  auto pid = PidFile::read(folder.file("banyan.pid"));
  ASSERT_TRUE(pid.ok()) << pid.error().message;
  EXPECT_EQ(*pid, other.pid());
}

TEST(PidFileTest, RefusesASecondInstanceAndNamesTheFirst) {
  testing::TemporaryFolder folder;
  OtherInstance other(folder.file("banyan.pid"));
  auto mine = PidFile::create(folder.file("banyan.pid"));
  ASSERT_FALSE(mine.ok());
  EXPECT_THAT(mine.error().message, HasSubstr(std::to_string(other.pid())));
}

TEST(PidFileTest, AFileLeftBehindByKillIsReplaced) {
  testing::TemporaryFolder folder;
  OtherInstance other(folder.file("banyan.pid"));
  other.kill();
  auto gone = PidFile::read(folder.file("banyan.pid"));
  ASSERT_FALSE(gone.ok());
  EXPECT_THAT(gone.error().message, HasSubstr("does not run"));
  auto mine = PidFile::create(folder.file("banyan.pid"));
  ASSERT_TRUE(mine.ok()) << mine.error().message;
  std::ifstream file(folder.file("banyan.pid"));
  pid_t number = 0;
  file >> number;
  EXPECT_EQ(number, getpid());
}

TEST(PidFileTest, RemoveTakesOnlyItsOwnFile) {
  testing::TemporaryFolder folder;
  std::string path = folder.file("banyan.pid");
  auto mine = PidFile::create(path);
  ASSERT_TRUE(mine.ok());
  folder.write("other", "1234\n");
  ASSERT_EQ(rename(folder.file("other").c_str(), path.c_str()), 0);
  mine->remove();
  EXPECT_EQ(access(path.c_str(), F_OK), 0);
}

TEST(PidFileTest, RemoveLeavesNothing) {
  testing::TemporaryFolder folder;
  auto mine = PidFile::create(folder.file("banyan.pid"));
  ASSERT_TRUE(mine.ok());
  mine->remove();
  EXPECT_NE(access(folder.file("banyan.pid").c_str(), F_OK), 0);
}

TEST(PidFileTest, SaysWhatTheSystemRefused) {
  auto mine = PidFile::create("/nonexistent/banyan.pid");
  ASSERT_FALSE(mine.ok());
  EXPECT_THAT(mine.error().message, HasSubstr("/nonexistent/banyan.pid"));
  EXPECT_FALSE(PidFile::read("/nonexistent/banyan.pid").ok());
}

}  // namespace
}  // namespace banyan::process
