#include "process/door.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <vector>

#include "net/ip_address.h"
#include "net/listen_socket.h"
#include "process/fd.h"

namespace banyan::process {
namespace {

using namespace std::chrono_literals;  // NOLINT

class DoorTest : public ::testing::Test, protected Door::Owner {
 protected:
  DoorTest() : listening(*net::open_listen_socket({.host = "127.0.0.1", .port = 0}, {})) {}

  void on_client(Door&, int fd, const net::IpAddress& peer) override {
    clients.emplace_back(fd);
    net::IpAddress::TextBuffer text;
    peers.emplace_back(peer.host_text(text));
  }

  Fd connect() {
    auto address = net::SocketAddress::of_bound(listening.get());
    Fd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    CHECK(::connect(fd.get(), address->get(), address->size()) == 0);
    return fd;
  }
  static void send(const Fd& fd, std::string_view text) {
    CHECK(::send(fd.get(), text.data(), text.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(text.size()));
  }
  // What the far end has sent; "" when it closed.
  static std::string receive(int fd) {
    char text[256];
    ssize_t got = recv(fd, text, sizeof text, 0);
    return got > 0 ? std::string(text, static_cast<size_t>(got)) : std::string();
  }
  template <class Condition>
  void wait_for(Condition condition) {
    TimePoint end = MonotonicClock::now() + 20s;
    event::Timer tick(loop, Callback::to<&DoorTest::on_tick>(this));
    while (!condition() && MonotonicClock::now() < end) {
      tick.start(5ms);
      loop.turn();
    }
    ASSERT_TRUE(condition());
  }
  void on_tick() {}

  event::Loop loop;
  Fd listening;
  std::vector<Fd> clients;
  std::vector<std::string> peers;
  Door door{loop, listening.get(), "test", *this};
};

TEST_F(DoorTest, HandsOnWhoConnects) {
  ASSERT_TRUE(door.open());
  Fd client = connect();
  wait_for([&] { return clients.size() == 1; });
  EXPECT_EQ(peers[0], "127.0.0.1");
  EXPECT_TRUE(door.quiet());
}

TEST_F(DoorTest, WhileItIsClosedClientsWait) {
  Fd client = connect();
  EXPECT_FALSE(door.quiet());
  EXPECT_TRUE(clients.empty());
  ASSERT_TRUE(door.open());
  wait_for([&] { return clients.size() == 1; });
}

TEST_F(DoorTest, ReadsTheProxyHeaderAndNoByteMore) {
  door.expect_proxy_header(true, 10s);
  ASSERT_TRUE(door.open());
  Fd client = connect();
  send(client, "PROXY TCP4 192.0.2.7 203.");
  Fd other = connect();
  send(other, "PROXY TCP4 192.0.2.8 203.0.113.5 51234 443\r\nGET ");
  wait_for([&] { return clients.size() == 1; });
  EXPECT_EQ(peers[0], "192.0.2.8");
  EXPECT_EQ(receive(clients[0].get()), "GET ");
  send(client, "0.113.5 51234 443\r\nPOST ");
  wait_for([&] { return clients.size() == 2; });
  EXPECT_EQ(peers[1], "192.0.2.7");
  EXPECT_EQ(receive(clients[1].get()), "POST ");
}

TEST_F(DoorTest, AClientWithoutTheHeaderIsClosed) {
  door.expect_proxy_header(true, 10s);
  ASSERT_TRUE(door.open());
  Fd client = connect();
  send(client, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  bool closed = false;
  wait_for([&] {
    char byte;
    ssize_t got = recv(client.get(), &byte, 1, MSG_DONTWAIT);
    closed = got == 0 || (got < 0 && errno == ECONNRESET);
    return closed;
  });
  EXPECT_TRUE(clients.empty());
}

TEST_F(DoorTest, AClientThatSaysNothingIsClosedInTime) {
  door.expect_proxy_header(true, 30ms);
  ASSERT_TRUE(door.open());
  Fd client = connect();
  wait_for([&] {
    char byte;
    return recv(client.get(), &byte, 1, MSG_DONTWAIT) == 0;
  });
  EXPECT_TRUE(clients.empty());
}

}  // namespace
}  // namespace banyan::process
