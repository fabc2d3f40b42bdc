#include "net/listener.h"

#include <gtest/gtest.h>
#include <netinet/tcp.h>
#include <sys/resource.h>

#include <vector>

#include "base/sanitized.h"
#include "net/listen_socket.h"
#include "support/log_capture.h"
#include "unit/net/sockets.h"

namespace banyan::net {
namespace {

// The vptr check of the undefined-behaviour sanitizer opens a pipe to look at an object; without a free
// descriptor it takes every object for a bad one. The release build runs these tests.
#define BANYAN_NEEDS_PLAIN_BUILD() \
  if (kSanitized) GTEST_SKIP() << "the sanitizer needs descriptors itself"

struct Guests : Listener::Acceptor {
  void on_accept(int fd, const IpAddress& peer) override {
    fds.emplace_back(fd);
    peers.push_back(peer);
    if (listener && fds.size() == limit) listener->pause();
  }
  std::vector<OwnedFd> fds;
  std::vector<IpAddress> peers;
  Listener* listener = nullptr;
  size_t limit = 0;
};

class ListenerTest : public testing::Test {
 protected:
  ListenerTest() : fd_(*open_listen_socket(*config::parse_address("127.0.0.1:0"), {})) {}
  OwnedFd connect() { return connect_to(bound_port(fd_.get())); }

  event::Loop loop_;
  OwnedFd fd_;
  Guests guests_;
};

TEST_F(ListenerTest, HandsOverConnectionsReadyForUse) {
  Listener listener(loop_, fd_.get(), "test", guests_);
  ASSERT_TRUE(listener.resume());
  OwnedFd client = connect();
  ASSERT_TRUE(run_until(loop_, [&] { return guests_.fds.size() == 1; }));
  int fd = guests_.fds[0].get();
  EXPECT_EQ(guests_.peers[0], *IpAddress::parse("127.0.0.1", bound_port(client.get())));
  EXPECT_EQ(fcntl(fd, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
  EXPECT_EQ(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
  int no_delay = 0;
  socklen_t size = sizeof no_delay;
  ASSERT_EQ(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &no_delay, &size), 0);
  EXPECT_NE(no_delay, 0);
}

TEST_F(ListenerTest, TakesOnlyAFewInATurn) {
  Listener listener(loop_, fd_.get(), "test", guests_, {.accepts_per_turn = 2});
  std::vector<OwnedFd> clients;
  for (int i = 0; i < 5; ++i) clients.push_back(connect());
  ASSERT_TRUE(listener.resume());
  for (size_t expected : {1u, 3u, 5u}) {  // more than one only after one was there
    loop_.turn();
    EXPECT_EQ(guests_.fds.size(), expected);
  }
}

TEST_F(ListenerTest, PausedInTheMiddleOfATurnTakesNoMore) {
  Listener listener(loop_, fd_.get(), "test", guests_);
  guests_.listener = &listener;
  guests_.limit = 2;
  std::vector<OwnedFd> clients;
  for (int i = 0; i < 3; ++i) clients.push_back(connect());
  ASSERT_TRUE(listener.resume());
  ASSERT_TRUE(run_until(loop_, [&] { return guests_.fds.size() == 2; }));
  EXPECT_FALSE(listener.accepting());
  EXPECT_FALSE(run_until(
      loop_, [&] { return guests_.fds.size() > 2; }, Millis(50)));
  ASSERT_TRUE(listener.resume());
  EXPECT_TRUE(run_until(loop_, [&] { return guests_.fds.size() == 3; }));
}

// All descriptors of the process in use while it lives.
class NoDescriptors {
 public:
  NoDescriptors() {
    getrlimit(RLIMIT_NOFILE, &before_);
    int lowest = dup(0);
    close(lowest);
    rlimit now = before_;
    now.rlim_cur = static_cast<rlim_t>(lowest);
    setrlimit(RLIMIT_NOFILE, &now);
  }
  ~NoDescriptors() { setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_{};
};

TEST_F(ListenerTest, WithoutDescriptorsRestsAndThenGoesOn) {
  BANYAN_NEEDS_PLAIN_BUILD();
  support::LogCapture log;
  Listener listener(loop_, fd_.get(), "127.0.0.1:1", guests_, {.rest = Millis(20)});
  ASSERT_TRUE(listener.resume());
  OwnedFd client = connect();
  {
    NoDescriptors none;
    ASSERT_TRUE(run_until(loop_, [&] { return log.has("Too many open files"); }));
  }
  EXPECT_TRUE(guests_.fds.empty());
  EXPECT_TRUE(run_until(loop_, [&] { return guests_.fds.size() == 1; }));
  EXPECT_EQ(listener.refused(), 0u);
}

TEST_F(ListenerTest, WhoeverWaitsForLongIsRefusedWithTheReserve) {
  BANYAN_NEEDS_PLAIN_BUILD();
  support::LogCapture log;
  Listener listener(loop_, fd_.get(), "127.0.0.1:1", guests_, {.rest = Millis(5)});
  ASSERT_TRUE(listener.resume());
  std::vector<OwnedFd> clients;
  for (int i = 0; i < 3; ++i) clients.push_back(connect());
  {
    NoDescriptors none;
    ASSERT_TRUE(run_until(loop_, [&] { return listener.refused() == 3; }));
  }
  for (OwnedFd& client : clients) {
    char byte;
    EXPECT_EQ(recv(client.get(), &byte, 1, 0), -1);
    EXPECT_EQ(errno, ECONNRESET);
  }
  // The reserve is back: it works a second time, and the log has one line for the same second.
  clients.clear();
  clients.push_back(connect());
  {
    NoDescriptors none;
    EXPECT_TRUE(run_until(loop_, [&] { return listener.refused() == 4; }));
  }
  EXPECT_EQ(log.text().find("Too many open files"), log.text().rfind("Too many open files"));
  clients.push_back(connect());
  EXPECT_TRUE(run_until(loop_, [&] { return guests_.fds.size() == 1; }));
}

TEST_F(ListenerTest, UnixPeersAreKnownAsSuch) {
  std::string path = testing::TempDir() + "banyan-listener-" + std::to_string(getpid()) + ".sock";
  config::Address address = *config::parse_address("unix:" + path);
  OwnedFd fd(*open_listen_socket(address, {}));
  Listener listener(loop_, fd.get(), "unix", guests_);
  ASSERT_TRUE(listener.resume());
  OwnedFd client(socket(AF_UNIX, SOCK_STREAM, 0));
  auto target = SocketAddress::make(address);
  ASSERT_EQ(::connect(client.get(), target->get(), target->size()), 0);
  ASSERT_TRUE(run_until(loop_, [&] { return guests_.fds.size() == 1; }));
  EXPECT_EQ(guests_.peers[0], IpAddress::unix_peer());
  remove_socket_file(address);
}

}  // namespace
}  // namespace banyan::net
