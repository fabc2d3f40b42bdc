#include "process/channel.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <csignal>
#include <vector>

#include "event/loop.h"

namespace banyan::process {
namespace {

using ::testing::EndsWith;

class Ear final : public Channel::Listener {
 public:
  void on_message(Message message) override { messages.push_back(std::move(message)); }
  void on_channel_closed() override { ++closed; }
  std::vector<Message> messages;
  int closed = 0;
};

class ChannelTest : public ::testing::Test {
 protected:
  ChannelTest() : ChannelTest(Channel::make_pair()) {}
  explicit ChannelTest(Result<std::pair<Fd, Fd>> pair)
      : master_fd(pair->first.get()),
        child_fd(pair->second.get()),
        master(loop, std::move(pair->first), Channel::Side::master, master_ear),
        child(loop, std::move(pair->second), Channel::Side::child, child_ear) {}

  template <class Condition>
  void wait_for(Condition condition) {
    TimePoint limit = MonotonicClock::now() + std::chrono::seconds(20);
    while (!condition() && MonotonicClock::now() < limit) loop.turn();
    ASSERT_TRUE(condition());
  }

  event::Loop loop;
  Ear master_ear, child_ear;
  int master_fd, child_fd;
  Channel master, child;
};

Fd make_file(std::string_view content) {
  Fd fd(memfd_create("test", MFD_CLOEXEC));
  CHECK(write(fd.get(), content.data(), content.size()) == static_cast<ssize_t>(content.size()));
  return fd;
}

TEST_F(ChannelTest, MessagesArriveWholeAndInOrder) {
  master.send({MessageType::commit, 7});
  master.send({MessageType::outcome, 8, "first line\nsecond\n"});
  child.send({MessageType::ready, 9});
  wait_for([&] { return child_ear.messages.size() == 2 && master_ear.messages.size() == 1; });
  EXPECT_EQ(child_ear.messages[0].type, MessageType::commit);
  EXPECT_EQ(child_ear.messages[0].number, 7u);
  EXPECT_EQ(child_ear.messages[1].text, "first line\nsecond\n");
  EXPECT_EQ(master_ear.messages[0].type, MessageType::ready);
  EXPECT_EQ(master_ear.messages[0].number, 9u);
}

TEST_F(ChannelTest, DescriptorsTravelAndStayPrivate) {
  master.send({MessageType::prepare, 1, {}, make_file("workers = 2")});
  wait_for([&] { return child_ear.messages.size() == 1; });
  int fd = child_ear.messages[0].fd.get();
  char text[64] = {};
  EXPECT_EQ(pread(fd, text, sizeof text, 0), 11);
  EXPECT_STREQ(text, "workers = 2");
  EXPECT_EQ(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
}

// Descriptors up to the lowest free one, and no further.
class NoneLeft {
 public:
  NoneLeft() {
    CHECK(getrlimit(RLIMIT_NOFILE, &before_) == 0);
    const int lowest = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
    close(lowest);
    rlimit now = before_;
    now.rlim_cur = static_cast<rlim_t>(lowest);
    CHECK(setrlimit(RLIMIT_NOFILE, &now) == 0);
  }
  ~NoneLeft() { setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_{};
};

TEST_F(ChannelTest, AMessageWhoseDescriptorCannotBeTakenComesWithoutIt) {
  child.send({MessageType::ask_hook, 1, "checkout", make_file("")});
  {
    NoneLeft none_left;
    wait_for([&] { return master_ear.messages.size() == 1; });
  }
  EXPECT_EQ(master_ear.messages[0].text, "checkout");
  EXPECT_FALSE(master_ear.messages[0].fd);
  child.send({MessageType::ask_hook, 2, "checkout", make_file("")});
  wait_for([&] { return master_ear.messages.size() == 2; });
  EXPECT_TRUE(master_ear.messages[1].fd);
  EXPECT_EQ(master_ear.closed, 0);
}

TEST_F(ChannelTest, AChildHasAReserveForWhatTheMasterPasses) {
  master.send({MessageType::log_file, 0, "access.log", make_file("")});
  {
    NoneLeft none_left;
    wait_for([&] { return child_ear.messages.size() == 1; });
    EXPECT_LT(fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0), 0) << "the reserve is not for others";
  }
  EXPECT_TRUE(child_ear.messages[0].fd);
}

TEST_F(ChannelTest, MoreThanTheKernelTakesIsQueued) {
  constexpr size_t kCount = 1000;
  for (uint64_t i = 0; i < kCount; ++i) {
    master.send({MessageType::log_file, i, std::string(1000, 'x'), make_file("")});
  }
  wait_for([&] { return child_ear.messages.size() == kCount; });
  for (uint64_t i = 0; i < kCount; ++i) EXPECT_EQ(child_ear.messages[i].number, i);
  EXPECT_EQ(child_ear.closed, 0);
}

TEST_F(ChannelTest, ALongTextIsCutAtALine) {
  std::string text;
  while (text.size() < 3 * Channel::kLongestText) text += "banyan.toml:1:1: something is wrong\n";
  child.send({MessageType::refused, 1, text});
  wait_for([&] { return master_ear.messages.size() == 1; });
  const std::string& got = master_ear.messages[0].text;
  EXPECT_LT(got.size(), Channel::kLongestText + 32);
  EXPECT_THAT(got, EndsWith("something is wrong\n… and more\n"));
}

TEST_F(ChannelTest, AForeignMessageEndsTheChannelOnce) {
  std::string junk(100, '\x7f');
  ASSERT_EQ(::send(child_fd, junk.data(), junk.size(), 0), 100);
  wait_for([&] { return master_ear.closed == 1; });
  EXPECT_TRUE(master.closed());
  EXPECT_TRUE(master_ear.messages.empty());
  master.send({MessageType::stop});
  wait_for([&] { return child_ear.closed == 1; });
  EXPECT_EQ(master_ear.closed, 1);
}

TEST_F(ChannelTest, AShortMessageEndsTheChannel) {
  ASSERT_EQ(::send(child_fd, "abc", 3, 0), 3);
  wait_for([&] { return master_ear.closed == 1; });
}

TEST_F(ChannelTest, AMessageThatGoesTheWrongWayEndsTheChannel) {
  struct {
    uint32_t type = static_cast<uint32_t>(MessageType::commit), zero = 0;
    uint64_t number = 1;
  } head;
  ASSERT_EQ(::send(child_fd, &head, sizeof head, 0), static_cast<ssize_t>(sizeof head));
  wait_for([&] { return master_ear.closed == 1; });
}

TEST_F(ChannelTest, DescriptorsOfARefusedMessageAreClosed) {
  Fd read_end, write_end;
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
  read_end = Fd(ends[0]);
  write_end = Fd(ends[1]);
  struct {
    uint32_t type = static_cast<uint32_t>(MessageType::ready), zero = 0;  // which never has one
    uint64_t number = 1;
  } head;
  iovec part{&head, sizeof head};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  header.msg_control = control;
  header.msg_controllen = sizeof control;
  cmsghdr* rights = CMSG_FIRSTHDR(&header);
  rights->cmsg_level = SOL_SOCKET;
  rights->cmsg_type = SCM_RIGHTS;
  rights->cmsg_len = CMSG_LEN(sizeof(int));
  int sent_fd = write_end.get();
  memcpy(CMSG_DATA(rights), &sent_fd, sizeof sent_fd);
  ASSERT_GT(sendmsg(child_fd, &header, 0), 0);
  write_end.reset();
  wait_for([&] { return master_ear.closed == 1; });
  char byte;
  EXPECT_EQ(read(read_end.get(), &byte, 1), 0) << "the write end is still open somewhere";
}

TEST(ChannelLifeTest, AKilledProcessIsNoticed) {
  event::Loop loop;
  Ear ear;
  auto pair = Channel::make_pair();
  ASSERT_TRUE(pair.ok());
  pid_t pid = fork();
  if (pid == 0) {
    pair->first.reset();
    while (true) pause();
  }
  pair->second.reset();
  Channel channel(loop, std::move(pair->first), Channel::Side::master, ear);
  channel.send({MessageType::stop});
  kill(pid, SIGKILL);
  waitpid(pid, nullptr, 0);
  while (ear.closed == 0) loop.turn();
  EXPECT_TRUE(channel.closed());
  channel.send({MessageType::stop});
}

}  // namespace
}  // namespace banyan::process
