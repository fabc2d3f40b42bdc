#include "process/notifier.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstring>

#include "process/fd.h"
#include "support/temporary_folder.h"

namespace banyan::process {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

// A service manager: the socket that notices come to.
class Manager {
 public:
  explicit Manager(const std::string& path) : fd_(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.data(), path.size());
    if (path[0] == '@') address.sun_path[0] = '\0';
    auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size());
    CHECK(bind(fd_.get(), reinterpret_cast<sockaddr*>(&address), length) == 0);
  }
  std::string next() {
    char text[512];
    ssize_t size = recv(fd_.get(), text, sizeof text, MSG_DONTWAIT);
    return size < 0 ? "nothing came" : std::string(text, static_cast<size_t>(size));
  }

 private:
  Fd fd_;
};

TEST(NotifierTest, SendsWhatSystemdExpects) {
  testing::TemporaryFolder folder;
  Manager manager(folder.file("notify"));
  Notifier notifier(folder.file("notify"));
  notifier.ready("2 workers");
  EXPECT_EQ(manager.next(), "READY=1\nMAINPID=" + std::to_string(getpid()) + "\nSTATUS=2 workers\n");
  notifier.reloading();
  std::string reloading = manager.next();
  EXPECT_THAT(reloading, StartsWith("RELOADING=1\nMONOTONIC_USEC="));
  notifier.handed_to(77, "drains");
  EXPECT_EQ(manager.next(), "MAINPID=77\nSTATUS=drains\n");
  notifier.stopping("draining");
  EXPECT_THAT(manager.next(), StartsWith("STOPPING=1\n"));
  notifier.alive();
  EXPECT_EQ(manager.next(), "WATCHDOG=1\n");
}

TEST(NotifierTest, KnowsAbstractSockets) {
  std::string name = "@banyan-notifier-test-" + std::to_string(getpid());
  Manager manager(name);
  Notifier(name).alive();
  EXPECT_EQ(manager.next(), "WATCHDOG=1\n");
}

TEST(NotifierTest, ReadsAndClearsTheEnvironment) {
  setenv("NOTIFY_SOCKET", "/run/x", 1);
  setenv("WATCHDOG_USEC", "3000000", 1);
  setenv("WATCHDOG_PID", std::to_string(getpid()).c_str(), 1);
  Notifier notifier = Notifier::from_environment();
  EXPECT_TRUE(notifier.active());
  EXPECT_EQ(notifier.watchdog_interval(), std::chrono::milliseconds(1500));
  EXPECT_EQ(getenv("NOTIFY_SOCKET"), nullptr);
  EXPECT_EQ(getenv("WATCHDOG_USEC"), nullptr);
}

TEST(NotifierTest, AWatchdogForAnotherProcessIsNotOurs) {
  setenv("NOTIFY_SOCKET", "/run/x", 1);
  setenv("WATCHDOG_USEC", "3000000", 1);
  setenv("WATCHDOG_PID", "1", 1);
  EXPECT_FALSE(Notifier::from_environment().watchdog_interval());
}

TEST(NotifierTest, WithoutASocketNothingHappens) {
  unsetenv("NOTIFY_SOCKET");
  setenv("WATCHDOG_USEC", "3000000", 1);
  Notifier notifier = Notifier::from_environment();
  EXPECT_FALSE(notifier.active());
  EXPECT_FALSE(notifier.watchdog_interval());
  notifier.ready("x");
}

}  // namespace
}  // namespace banyan::process
