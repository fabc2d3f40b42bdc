#include "net/listen_socket.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cstdlib>
#include <fstream>
#include <thread>

#include "net/connect_socket.h"
#include "net/ip_address.h"
#include "net/stream.h"
#include "support/log_capture.h"
#include "support/temporary_folder.h"
#include "unit/net/sockets.h"

namespace banyan::net {
namespace {

config::Address address_of(std::string_view text) { return *config::parse_address(text); }

// A folder of its own for a socket.
class Folder {
 public:
  std::string file() const { return folder_.file("x.sock"); }
  config::Address address() const { return address_of("unix:" + file()); }

 private:
  testing::TemporaryFolder folder_;
};

TEST(ListenSocket, PortZeroLetsTheKernelChoose) {
  auto fd = open_listen_socket(address_of("127.0.0.1:0"), {});
  ASSERT_TRUE(fd) << fd.error().message;
  OwnedFd owned(*fd);
  auto bound = SocketAddress::of_bound(*fd);
  ASSERT_TRUE(bound);
  EXPECT_NE(bound->ip().port(), 0);
  OwnedFd client = connect_to(bound->ip().port());
  EXPECT_GE(client.get(), 0);
  EXPECT_EQ(fcntl(*fd, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
  EXPECT_EQ(fcntl(*fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
}

TEST(ListenSocket, ErrorsNameTheAddress) {
  auto first = open_listen_socket(address_of("127.0.0.1:0"), {});
  ASSERT_TRUE(first);
  OwnedFd owned(*first);
  std::string text = SocketAddress::of_bound(*first)->text();
  auto second = open_listen_socket(address_of(text), {});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().message, "listen on " + text + ": Address already in use");
  auto name = open_listen_socket(address_of("example.org:80"), {});
  ASSERT_FALSE(name);
  EXPECT_NE(name.error().message.find("is a name"), std::string::npos);
}

TEST(ListenSocket, EveryIpv6AddressLeavesIpv4Alone) {
  // Somebody else may have the port on IPv4, but not each of twenty.
  std::string why;
  for (int i = 0; i < 20; ++i) {
    auto v6 = open_listen_socket(address_of("[::]:0"), {});
    if (!v6) GTEST_SKIP() << v6.error().message;
    OwnedFd owned6(*v6);
    config::Address v4 = address_of("127.0.0.1:0");
    v4.port = SocketAddress::of_bound(*v6)->ip().port();
    auto fd = open_listen_socket(v4, {});
    if (fd) return static_cast<void>(close(*fd));
    why = fd.error().message;
  }
  FAIL() << why;
}

TEST(ListenSocket, UnixSocketHasItsMode) {
  Folder folder;
  auto fd = open_listen_socket(folder.address(), {.backlog = 5, .unix_mode = 0600});
  ASSERT_TRUE(fd) << fd.error().message;
  OwnedFd owned(*fd);
  struct stat status;
  ASSERT_EQ(stat(folder.file().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  EXPECT_EQ(SocketAddress::of_bound(*fd)->text(), "unix:" + folder.file());
  remove_socket_file(folder.address());
  EXPECT_NE(stat(folder.file().c_str(), &status), 0);
}

TEST(ListenSocket, StaleUnixSocketIsReplacedAndAServedOneIsNot) {
  Folder folder;
  auto first = open_listen_socket(folder.address(), {});
  ASSERT_TRUE(first);
  OwnedFd owned(*first);
  auto second = open_listen_socket(folder.address(), {});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().message, "listen on unix:" + folder.file() + ": another process listens there");
  owned.reset();
  auto third = open_listen_socket(folder.address(), {});
  ASSERT_TRUE(third) << third.error().message;
  OwnedFd owned_third(*third);
}

TEST(ListenSocket, AnAddressInUseIsTriedAgainForAsLongAsIsSaid) {
  support::LogCapture log;
  Folder folder;
  auto tcp = open_listen_socket(address_of("127.0.0.1:0"), {});
  ASSERT_TRUE(tcp);
  const std::string port = SocketAddress::of_bound(*tcp)->text();
  const ListenOptions patient{.in_use_until = MonotonicClock::now() + std::chrono::seconds(20)};
  auto file = open_listen_socket(folder.address(), {});
  ASSERT_TRUE(file);
  std::thread holder([&] {
    std::this_thread::sleep_for(Millis(100));
    close(*tcp);
    std::this_thread::sleep_for(Millis(100));
    close(*file);
  });
  auto again = open_listen_socket(address_of(port), patient);
  auto file_again = open_listen_socket(folder.address(), patient);
  holder.join();
  ASSERT_TRUE(again) << again.error().message;
  ASSERT_TRUE(file_again) << file_again.error().message;
  EXPECT_TRUE(log.has("Address already in use; trying again")) << log.text();
  OwnedFd owned(*again), owned_file(*file_again);
  const ListenOptions brief{.in_use_until = MonotonicClock::now() + Millis(50)};
  EXPECT_FALSE(open_listen_socket(address_of(port), brief));
  EXPECT_FALSE(open_listen_socket(folder.address(), brief));
}

TEST(ListenSocket, AnOrdinaryFileIsNotReplaced) {
  Folder folder;
  std::ofstream(folder.file()) << "precious";
  auto fd = open_listen_socket(folder.address(), {});
  ASSERT_FALSE(fd);
  EXPECT_NE(fd.error().message.find("no socket"), std::string::npos);
}

struct Waiting : Stream::Listener {
  void on_readable() override {}
  void on_writable() override { writable = true; }
  bool writable = false;
};

TEST(ConnectSocket, ReachesAListener) {
  event::Loop loop;
  OwnedFd listening = listen_on_loopback();
  auto fd = open_connecting_socket(
      SocketAddress::of_ip(*IpAddress::parse("127.0.0.1", bound_port(listening.get()))));
  ASSERT_TRUE(fd);
  auto stream = make_plain_stream(loop, *fd);
  Waiting waiting;
  ASSERT_TRUE(stream->start(waiting));
  stream->want_write();
  EXPECT_TRUE(run_until(loop, [&] { return waiting.writable; }));
  EXPECT_EQ(take_connect_error(*fd), 0);
}

TEST(ConnectSocket, RefusalHasItsType) {
  event::Loop loop;
  OwnedFd listening = listen_on_loopback();
  SocketAddress address = SocketAddress::of_ip(*IpAddress::parse("127.0.0.1", bound_port(listening.get())));
  listening.reset();
  auto fd = open_connecting_socket(address);
  ASSERT_TRUE(fd);
  auto stream = make_plain_stream(loop, *fd);
  Waiting waiting;
  ASSERT_TRUE(stream->start(waiting));
  stream->want_write();
  EXPECT_TRUE(run_until(loop, [&] { return waiting.writable; }));
  Error error = connect_error(address, take_connect_error(*fd));
  EXPECT_EQ(error.type, "connection_refused");
  EXPECT_EQ(error.status, 502);
  EXPECT_TRUE(error.nothing_sent);
  EXPECT_EQ(error.message, "connect to " + address.text() + ": Connection refused");
}

TEST(ConnectSocket, MissingUnixSocketFailsAtOnce) {
  Folder folder;
  auto fd = open_connecting_socket(*SocketAddress::make(folder.address()));
  ASSERT_FALSE(fd);
  EXPECT_EQ(fd.error().type, "connection_refused");
}

}  // namespace
}  // namespace banyan::net
