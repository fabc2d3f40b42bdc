#include "process/log_file.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "base/log.h"
#include "event/loop.h"
#include "process/log_files.h"
#include "support/temporary_folder.h"

namespace banyan::process {
namespace {

using namespace std::chrono_literals;  // NOLINT
using ::testing::EndsWith;
using ::testing::HasSubstr;

using testing::read_file;

class LogFileTest : public ::testing::Test {
 protected:
  Fd open(const std::string& name) {
    auto fd = open_log(folder.file(name));
    CHECK(fd.ok());
    return std::move(*fd);
  }
  template <class Condition>
  bool wait_for(Condition condition, Duration limit = 20s) {
    TimePoint end = MonotonicClock::now() + limit;
    while (!condition() && MonotonicClock::now() < end) loop.turn();
    return condition();
  }
  // A millisecond at most.
  void turn() {
    event::Timer end(loop, Callback::to<&event::Loop::stop>(&loop));
    end.start(1ms);
    loop.turn();
  }
  std::string content(const std::string& name) { return read_file(folder.file(name)); }

  testing::TemporaryFolder folder;
  event::Loop loop;
  event::ThreadPool writers{loop, 1};
};

TEST_F(LogFileTest, AnUrgentLineIsWrittenAtOnce) {
  LogFile file(loop, writers, folder.file("log"), open("log"));
  TimePoint begin = MonotonicClock::now();
  file.write("trouble\n", true);
  EXPECT_EQ(content("log"), "") << "written on the loop";
  ASSERT_TRUE(wait_for([&] { return content("log") == "trouble\n"; }));
  EXPECT_LT(MonotonicClock::now() - begin, LogFile::kLongestWait);
}

TEST_F(LogFileTest, OtherLinesWaitForASecondAtMost) {
  LogFile file(loop, writers, folder.file("log"), open("log"));
  TimePoint begin = MonotonicClock::now();
  file.write("one\n");
  file.write("two\n");
  loop.turn();
  ASSERT_TRUE(wait_for([&] { return content("log") == "one\ntwo\n"; }));
  EXPECT_GE(MonotonicClock::now() - begin, 900ms);
}

TEST_F(LogFileTest, AFullBufferDoesNotWait) {
  LogFile file(loop, writers, folder.file("log"), open("log"));
  TimePoint begin = MonotonicClock::now();
  std::string line(999, 'x');
  line += '\n';
  for (size_t i = 0; i <= LogFile::kFull / line.size(); ++i) file.write(line);
  ASSERT_TRUE(wait_for([&] { return content("log").size() >= LogFile::kFull; }));
  EXPECT_LT(MonotonicClock::now() - begin, LogFile::kLongestWait);
}

TEST_F(LogFileTest, ABusyLogIsWrittenInFullBuffers) {
  LogFile file(loop, writers, folder.file("log"), open("log"));
  // While a write goes on a file has grown by whole pages, which are no number of these lines.
  const std::string line = std::string(996, 'x') + '\n';
  const size_t lines = 8 * LogFile::kFull / line.size();
  TimePoint begin = MonotonicClock::now();
  std::set<size_t> ends;
  for (size_t i = 0; i < lines; ++i) {
    file.write(line);
    if (i % 4 == 0) turn();
    const size_t size = std::filesystem::file_size(folder.file("log"));
    if (size > 0 && size % line.size() == 0) ends.insert(size);
  }
  const auto seconds = static_cast<size_t>((MonotonicClock::now() - begin) / 1s);
  EXPECT_GE(ends.size(), 1u);
  EXPECT_LE(ends.size(), 8 + seconds);
}

TEST_F(LogFileTest, TheEndWritesEverythingInOrder) {
  std::string expected;
  {
    LogFile file(loop, writers, folder.file("log"), open("log"));
    for (int i = 0; i < 5000; ++i) {
      std::string line = "line " + std::to_string(i) + "\n";
      file.write(line, i % 100 == 0);
      expected += line;
      if (i % 1000 == 0) turn();
    }
  }
  EXPECT_EQ(content("log"), expected);
}

TEST_F(LogFileTest, SeveralWritersKeepLinesWhole) {
  {
    LogFile one(loop, writers, folder.file("log"), open("log"));
    LogFile two(loop, writers, folder.file("log"), open("log"));
    for (int i = 0; i < 20000; ++i) {
      one.write("11111111111111111111\n");
      two.write("22222222222222222222\n");
      if (i % 100 == 0) turn();
    }
  }
  std::istringstream lines(content("log"));
  std::string line;
  int count = 0;
  for (; std::getline(lines, line); ++count) {
    ASSERT_TRUE(line == std::string(20, '1') || line == std::string(20, '2')) << line;
  }
  EXPECT_EQ(count, 40000);
}

TEST_F(LogFileTest, AfterReplaceLinesGoToTheNewFile) {
  LogFile file(loop, writers, folder.file("log"), open("log"));
  file.write("before\n", true);
  ASSERT_TRUE(wait_for([&] { return content("log") == "before\n"; }));
  ASSERT_EQ(rename(folder.file("log").c_str(), folder.file("log.1").c_str()), 0);
  file.replace(open("log"));
  file.write("after\n", true);
  ASSERT_TRUE(wait_for([&] { return content("log") == "after\n"; }));
  EXPECT_EQ(content("log.1"), "before\n");
}

TEST_F(LogFileTest, OtherThreadsMayWriteToo) {
  LogFile file(loop, writers, folder.file("log"), open("log"));
  std::thread([&] { file.write("from elsewhere\n"); }).join();
  EXPECT_EQ(content("log"), "from elsewhere\n");
}

// A disk that hangs, in the shape of a FIFO whose reader does not read.
class HungLogTest : public LogFileTest {
 protected:
  HungLogTest() {
    CHECK(mkfifo(folder.file("fifo").c_str(), 0600) == 0);
    reader = Fd(::open(folder.file("fifo").c_str(), O_RDONLY | O_NONBLOCK));
    CHECK(reader);
  }
  std::string drain() {
    std::string text(1 << 20, '\0');
    ssize_t got = read(reader.get(), text.data(), text.size());
    text.resize(got > 0 ? static_cast<size_t>(got) : 0);
    return text;
  }
  Fd reader;
};

TEST_F(HungLogTest, LinesBeyondTheBoundAreCountedAndReported) {
  LogFile file(loop, writers, folder.file("fifo"), open("fifo"));
  std::string line(999, 'x');
  line += '\n';
  size_t written = 2 * LogFile::kMostPending / line.size();
  for (size_t i = 0; i < written; ++i) {
    file.write(line);
    if (i % 50 == 0) file.write("", true), turn();
  }
  EXPECT_GE(file.lost(), written / 3);
  std::vector<std::string> reports;
  log::set_sink(
      [](void* self, std::string_view text) { static_cast<decltype(reports)*>(self)->emplace_back(text); },
      &reports);
  std::string got;
  TimePoint end = MonotonicClock::now() + 20s;
  while (reports.empty() && MonotonicClock::now() < end) {
    got += drain();
    file.write("");
    turn();
  }
  log::set_sink(nullptr, nullptr);
  ASSERT_EQ(reports.size(), 1u);
  EXPECT_THAT(reports[0], HasSubstr("lines were lost"));
  // The rest must not block the end of the test.
  reader.reset();
  signal(SIGPIPE, SIG_IGN);
}

TEST_F(HungLogTest, ALostReaderIsReportedOnceAndDoesNoHarm) {
  signal(SIGPIPE, SIG_IGN);
  LogFile file(loop, writers, folder.file("fifo"), open("fifo"));
  reader.reset();
  std::vector<std::string> reports;
  log::set_sink(
      [](void* self, std::string_view text) { static_cast<decltype(reports)*>(self)->emplace_back(text); },
      &reports);
  for (uint64_t i = 1; i <= 3; ++i) {
    file.write("lost\n", true);
    EXPECT_TRUE(wait_for([&] { return file.lost() == i; }));
  }
  log::set_sink(nullptr, nullptr);
  ASSERT_EQ(reports.size(), 1u);
  EXPECT_THAT(reports[0], HasSubstr("cannot write to"));
}

TEST(OpenLogTest, RefusesWhatCannotBeWritten) {
  testing::TemporaryFolder folder;
  EXPECT_THAT(open_log(folder.file("no/such/folder")).error().message, HasSubstr("No such file"));
  ASSERT_EQ(mkfifo(folder.file("fifo").c_str(), 0600), 0);
  EXPECT_FALSE(open_log(folder.file("fifo")).ok()) << "nobody reads it";
}

TEST(LogFilesTest, TheErrorLogGoesToItsFileAtItsLevel) {
  testing::TemporaryFolder folder;
  event::Loop loop;
  config::Log log;
  log.error.path = folder.file("error.log");
  log.error.level = log::Level::warn;
  {
    LogFiles files(loop);
    files.put(log.error.path, std::move(*open_log(log.error.path)));
    files.use(log);
    LOG(info, "not this");
    LOG(warn, "but this");
    files.flush();
  }
  log::set_level(log::Level::info);
  EXPECT_THAT(read_file(log.error.path), EndsWith("but this\n"));
  EXPECT_THAT(read_file(log.error.path), Not(HasSubstr("not this")));
}

TEST(LogFilesTest, FilesThatAreNotNamedAnyMoreAreClosed) {
  testing::TemporaryFolder folder;
  event::Loop loop;
  LogFiles files(loop);
  config::Log log;
  log.access.path = folder.file("access.log");
  log.error.path = folder.file("error.log");
  EXPECT_EQ(LogFiles::paths(log).size(), 2u);
  for (const std::string& path : LogFiles::paths(log)) files.put(path, std::move(*open_log(path)));
  files.use(log);
  EXPECT_NE(files.find(log.access.path), nullptr);
  std::string old = log.access.path;
  log.access.path = "off";
  EXPECT_EQ(LogFiles::paths(log).size(), 1u);
  files.use(log);
  EXPECT_EQ(files.find(old), nullptr);
  EXPECT_NE(files.find(log.error.path), nullptr);
}

}  // namespace
}  // namespace banyan::process
