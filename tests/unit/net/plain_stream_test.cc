#include <gtest/gtest.h>
#include <unistd.h>

#include <string>

#include "event/loop.h"
#include "net/stream.h"
#include "unit/net/sockets.h"

namespace banyan::net {
namespace {

// Reads as the contract of edge-triggered streams says: until `drained`.
struct Reader : Stream::Listener {
  explicit Reader(Stream& stream) : stream(stream) {}
  void on_readable() override {
    char space[64];
    while (true) {
      IoResult result = stream.read(space);
      text.append(space, result.bytes);
      ended = ended || result.status == IoStatus::end;
      failed = failed || result.status == IoStatus::error;
      if (result.drained) return;
    }
  }
  void on_writable() override { ++writable; }

  Stream& stream;
  std::string text;
  bool ended = false;
  bool failed = false;
  int writable = 0;
};

TEST(PlainStream, SeesTheEndThatCameTogetherWithTheData) {
  event::Loop loop;
  SocketPair pair = make_tcp_pair();
  pair.send("hello");
  shutdown(pair.peer.get(), SHUT_WR);
  auto stream = make_plain_stream(loop, pair.local.release());
  Reader reader(*stream);
  ASSERT_TRUE(stream->start(reader));
  EXPECT_TRUE(run_until(loop, [&] { return reader.ended; }));
  EXPECT_EQ(reader.text, "hello");
}

TEST(PlainStream, ShortWriteAsksForRoomAndIsToldOnce) {
  event::Loop loop;
  SocketPair pair = make_tcp_pair();
  auto stream = make_plain_stream(loop, pair.local.release());
  Reader reader(*stream);
  ASSERT_TRUE(stream->start(reader));
  std::string block(1 << 20, 'x');
  size_t written = 0;
  IoResult result;
  do {
    iovec part{block.data(), block.size()};
    result = stream->write({&part, 1});
    written += result.bytes;
  } while (result.status == IoStatus::ok);
  ASSERT_EQ(result.status, IoStatus::again);
  stream->want_write();
  size_t got = 0;
  EXPECT_TRUE(run_until(loop, [&] {
    got += pair.receive().size();
    return got == written;
  }));
  EXPECT_TRUE(run_until(loop, [&] { return reader.writable > 0; }));
}

TEST(PlainStream, TellsOfRoomOnlyOnceForEachTimeItIsAsked) {
  event::Loop loop;
  SocketPair pair = make_tcp_pair();
  auto stream = make_plain_stream(loop, pair.local.release());
  Reader reader(*stream);
  ASSERT_TRUE(stream->start(reader));
  for (int asked = 1; asked <= 2; ++asked) {
    stream->want_write();
    EXPECT_TRUE(run_until(loop, [&] { return reader.writable == asked; }));
    // There is room all the time, and what arrives makes the kernel say so again.
    for (const char* text : {"a", "b", "c"}) {
      reader.text.clear();
      pair.send(text);
      EXPECT_TRUE(run_until(loop, [&] { return reader.text == text; }));
    }
    EXPECT_EQ(reader.writable, asked);
  }
}

TEST(PlainStream, PartsArriveInOrderWhateverTheirSizes) {
  event::Loop loop;
  SocketPair pair = make_tcp_pair();
  auto stream = make_plain_stream(loop, pair.local.release());
  Reader reader(*stream);
  ASSERT_TRUE(stream->start(reader));
  for (size_t size : {0, 1, 1000, 2040, 2041, 2042, 5000}) {
    const std::string head = "head: ";
    const std::string body(size, 'b');
    const std::string all = head + body + "!";
    const iovec parts[] = {{const_cast<char*>(head.data()), head.size()},
                           {const_cast<char*>(body.data()), body.size()},
                           {const_cast<char*>("!"), 1}};
    EXPECT_EQ(stream->write(parts).bytes, all.size());
    std::string got;
    EXPECT_TRUE(run_until(loop, [&] {
      got += pair.receive();
      return got.size() >= all.size();
    }));
    EXPECT_EQ(got, all);
  }
}

TEST(PlainStream, ResetOnCloseIsAnErrorForThePeer) {
  event::Loop loop;
  SocketPair pair = make_tcp_pair();
  auto stream = make_plain_stream(loop, pair.local.release());
  Reader reader(*stream);
  ASSERT_TRUE(stream->start(reader));
  stream->reset_on_close();
  stream.reset();
  char byte;
  EXPECT_EQ(recv(pair.peer.get(), &byte, 1, 0), -1);
  EXPECT_EQ(errno, ECONNRESET);
}

TEST(PlainStream, HalfCloseLetsReadingGoOn) {
  event::Loop loop;
  SocketPair pair = make_tcp_pair();
  auto stream = make_plain_stream(loop, pair.local.release());
  Reader reader(*stream);
  ASSERT_TRUE(stream->start(reader));
  stream->shutdown_write();
  char byte;
  EXPECT_EQ(recv(pair.peer.get(), &byte, 1, 0), 0);
  pair.send("late");
  EXPECT_TRUE(run_until(loop, [&] { return reader.text == "late"; }));
}

}  // namespace
}  // namespace banyan::net
